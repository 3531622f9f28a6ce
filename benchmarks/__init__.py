"""Measurements of edgepose beside the official recipe: ``python -m benchmarks --bundles DIR``."""
