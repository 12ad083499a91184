"""The server of the simulated exchange: HTTP/1.1 and HTTP/2 over TLS."""
