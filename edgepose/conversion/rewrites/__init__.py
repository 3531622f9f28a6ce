"""Rewrites that keep the function: ``rewrite(graph)`` edits it and returns at how many places."""
