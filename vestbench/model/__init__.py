"""The records that all other parts exchange. No behaviour beyond validation."""
