"""How the demonstration weights are made: ``python -m tools.training``; docs/demo-weights.md tells the recipe."""
