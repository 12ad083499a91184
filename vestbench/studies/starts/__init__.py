"""The start of a bot: what a warm-up gives its first requests."""
