"""Vest: its endpoints, accounts, orders and signatures."""
