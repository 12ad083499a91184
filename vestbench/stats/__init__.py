"""Arrays in, records out: verdicts, intervals, quantiles; pure functions."""
