"""One timed exchange for each HTTP library, and the proof of reuse."""
