"""A run as a page: one file, which asks the network for nothing."""
