"""What is asserted of a run: its grammar, and how it is judged."""
