"""Timed exchanges: pool settings, phases, and the proof of reuse."""
