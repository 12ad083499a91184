"""Measure what an open HTTP connection saves, and prove that it stays open."""

__version__ = "0.1.0"
