"""The world that a program finds inside: every name, every host, and what they say."""
