"""WebSocket as the simulated exchange speaks it (RFC 6455)."""
