"""The embedded Vest exchange: a TLS server process that speaks the documented API."""
