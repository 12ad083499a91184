"""The account of traffic of a program that is not ours: what it sent, and why cold."""
