"""The simulated exchange itself: accounts, orders, market data."""
