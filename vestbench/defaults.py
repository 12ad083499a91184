"""The default of all that can be left out, in commands, settings and functions."""

from __future__ import annotations

# What is measured.
VENUE = "sim"
STACK = "httpx"
RESULTS = "results"  # the folder
MIN_SAVING = "50ms"
CONFIDENCE = 95  # percent
CONFIDENCES = (90, 95, 99)

# How fast, and how many a real venue may be sent.
INTERVAL = "0ms"
POLITE_RATE = 10.0  # requests a second
BUDGET = 1000  # requests in a run
MAX_ORDERS = 20

# bench
REQUESTS = 100
CONCURRENCY = 1
SESSIONS = 20  # at most

# compare
WAYS = ("pooled", "unpooled")
MIN_ROUNDS = 12
MORE_ROUNDS = 200  # at most, in all or after those of a run that is continued
MIN_DURATION = "0s"
VOTE = "round"
VOTES = ("round", "pair")
QUESTION = "all"
QUESTIONS = ("all", "any")
IDLE = "1s"  # of a warmed client before its request

# warmup and connect
ROUNDS = 20
START_ROUNDS = 12  # on the simulated venue: as many as a verdict elsewhere needs
REAL_START_ROUNDS = 6  # on a real one: the fewest that give an interval for a median

# The simulated venue.
RTT = "30ms"
TLS = "1.3"
ENGINE = "auto"
PROCESSING_MS = 5.0
IDLE_TIMEOUT_S = 75.0
