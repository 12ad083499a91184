"""The story's bot on a newer reqwest, pyreqwest's: URL REQUESTS CLIENT [--pause S].

CLIENT is `after` (the story's five settings) or `before` (none), as of
`tests/programs/rust_bot`, whose line on stdout this prints too. It does not warm up.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from datetime import timedelta

from pyreqwest.client import SyncClient, SyncClientBuilder
from pyreqwest.logging import flush_logs


class _Opened(logging.Handler):
    """Counts what reqwest logs of each connection that it opens."""

    count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += record.getMessage().startswith("starting new connection")


def _built(client: str) -> SyncClient:
    builder = SyncClientBuilder().connection_verbose(True)
    if client == "after":
        builder = (
            builder.pool_max_idle_per_host(2)
            .pool_idle_timeout(timedelta(seconds=60))
            .tcp_keepalive(timedelta(seconds=30))
            .connect_timeout(timedelta(seconds=10))
            .timeout(timedelta(seconds=10))
        )
    return builder.build()


def main() -> None:
    """Send the requests, and print what they took and which connections they need."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("requests", type=int)
    parser.add_argument("client", choices=("after", "before"))
    parser.add_argument("--pause", type=float, default=0.0)
    options = parser.parse_args()
    log, opened, taken = logging.getLogger("reqwest::connect"), _Opened(), []
    log.setLevel(logging.DEBUG)
    log.addHandler(opened)
    with _built(options.client) as client:
        for number in range(options.requests):
            if number:
                time.sleep(options.pause)
            begin = time.perf_counter()
            client.get(f"{options.url}/ticker/latest").build().send().bytes()
            taken.append(round((time.perf_counter() - begin) * 1e3, 2))
    flush_logs()
    said = {"requests": len(taken), "connections": opened.count, "ms": taken}
    print(json.dumps(said))  # noqa: T201 - what it is for


if __name__ == "__main__":
    main()
