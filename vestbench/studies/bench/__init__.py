"""Cold against subsequent requests."""
