"""Simulations that take minutes: each a nox session with its figures in `results/`."""
