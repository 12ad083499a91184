"""Which request is sent when, and when to stop. No HTTP here, and no printing."""
