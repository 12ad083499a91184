"""The instrument, which knows no HTTP library: connecting and timestamps."""
