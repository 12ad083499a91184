"""Many stored runs: lists, trends, and two of them against each other."""
