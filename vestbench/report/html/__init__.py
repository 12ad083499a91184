"""A run as a page: one file that loads nothing from the network."""
