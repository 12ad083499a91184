"""Carrying out a measurement: venue, worker and result file round it; no console."""
