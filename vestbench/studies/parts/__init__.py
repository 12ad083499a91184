"""Pieces that the summaries and sheets of several studies share."""
