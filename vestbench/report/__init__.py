"""Runs as tables and pictures. Builds what is shown; never prints it."""
