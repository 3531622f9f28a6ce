"""Engines for the Edge TPU: what it takes, the compiler of those who have it, and what the compiler said."""
