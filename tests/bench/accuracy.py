"""How right is the window that is measured? The same requests, timed by somebody else.

Run it as `python -m tests.bench.accuracy`; it stores its figures in
`results/accuracy-<against>.toml` and exits 1 when there are too few for an interval. It
takes about 2 minutes, and a machine that does nothing else.

The product measures the window from the first byte written to the first byte read.
Here a reference says how long that took in truth, over loopback and emulated links and
at several service times of the exchange:

    kernel    the kernel's timestamps of the same requests: when the segment with the
              request left, and when the one with the answer had arrived

The offset, measured minus reference, is what the host and the client add to the wire.
It does not matter to a saving as long as it is the same for both sides; how much it
varies is the least difference that can be seen at all.

To look at the kernel's stamps costs time, and that is in the window. So half of the
requests go out without, and the difference of neighbours says what the look costs.

Another reference is one more class in `REFERENCES`.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench.accuracy_readings import (
    BURN_IN,
    BURST,
    REFERENCES,
    Destination,
    Reading,
    Route,
    measure,
)
from tests.bench.stored import host, link_account, plain, positive, save
from vestbench._version import __version__
from vestbench.kernel.timestamps import unsupported
from vestbench.stats.quantiles import estimate, quantile

# 1: first format.
FORMAT = 1
KIND = "accuracy of the measured window"

CONFIDENCE = 0.95
REQUESTS = 200  # of each place, read both ways
SEED = 20261125
# Within which most of the offsets lie: the spread.
SPREAD = (0.05, 0.95)


PLACES = (
    *(Destination(0.0, processing) for processing in (0.0, 1.0, 5.0, 20.0)),
    *(Destination(10.0, processing) for processing in (0.0, 5.0)),
    *(Destination(30.0, processing) for processing in (0.0, 5.0)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Middle:
    """A median and its interval, in ms; None is an end for which there are too few."""

    n: int
    median: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What the readings of one place say, in ms."""

    rtt_ms: float
    processing_ms: float
    requests: int
    unusable: int
    measured: Middle
    reference: Middle
    offset: Middle  # measured minus reference, by request
    offset_p5: float | None
    offset_p95: float | None
    before: Middle
    after: Middle
    looking: Middle  # what it costs that the reference looks, by neighbours

    @property
    def is_bounded(self) -> bool:
        """Say whether there are readings enough for an interval of the offset."""
        return self.offset.low is not None and self.offset.high is not None


def findings(route: Route) -> Findings:
    """Sum the readings of one place up."""
    found = route.readings
    offsets = [each.measured_ms - each.reference_ms for each in found]
    low, high = (quantile(offsets, q) if offsets else None for q in SPREAD)
    return Findings(
        rtt_ms=route.place.rtt_ms,
        processing_ms=route.place.processing_ms,
        requests=len(found) + route.unusable,
        unusable=route.unusable,
        measured=_middle([each.measured_ms for each in found]),
        reference=_middle([each.reference_ms for each in found]),
        offset=_middle(offsets),
        offset_p5=low,
        offset_p95=high,
        before=_middle([r.before_ms for r in found if r.before_ms is not None]),
        after=_middle([r.after_ms for r in found if r.after_ms is not None]),
        looking=_middle(
            [
                r.measured_ms - r.undisturbed_ms
                for r in found
                if r.undisturbed_ms is not None
            ]
        ),
    )


def _middle(values: Sequence[float]) -> Middle:
    found = estimate(values, 0.5, CONFIDENCE)
    return Middle(n=found.n, median=found.point, low=found.low, high=found.high)


def document(
    against: str, routes: Sequence[Route], facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what the file holds; times are in ms."""
    found = [findings(route) for route in routes]
    return {
        "format": FORMAT,
        "kind": KIND,
        "against": against,
        "passed": all(each.is_bounded for each in found),
        **facts,
        "host": host(),
        "versions": {
            "python": platform.python_version(),
            **routes[0].stack.facts.versions,
            "vestbench": __version__,
        },
        "rules": {
            "offset": "measured window minus the reference's, of the same request",
            "spread": "5 % and 95 % quantiles of the offsets",
            "looking": "measured window minus that of a neighbour not looked at",
            "confidence": CONFIDENCE,
            "burst": BURST,
            "burn_in": BURN_IN,
        },
        "place": [
            {
                **plain(asdict(each)),
                "link": link_account(route.report),
                "reading": _columns(route.readings),
            }
            for each, route in zip(found, routes, strict=True)
        ],
    }


def _columns(readings: Sequence[Reading]) -> dict[str, list[float]]:
    """Return one array for each of what was read, without those that are absent."""
    rows = [plain(asdict(each)) for each in readings]
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row[name] for row in rows if name in row] for name in names}


def findings_table(found: Sequence[Findings], against: str) -> Table:
    """Return the offsets at each place."""
    table = Table(title=f"the measured window against {against}, ms")
    for name in (
        "RTT",
        "service",
        "n",
        "measured",
        "offset [95 % CI]",
        "5 to 95 %",
        "before",
        "after",
        "looking [95 % CI]",
    ):
        table.add_column(name, justify="right")
    for each in found:
        table.add_row(
            f"{each.rtt_ms:g}",
            f"{each.processing_ms:g}",
            str(each.offset.n),
            _ms(each.measured.median),
            _with_interval(each.offset),
            f"{_ms(each.offset_p5)} to {_ms(each.offset_p95)}",
            _ms(each.before.median),
            _ms(each.after.median),
            _with_interval(each.looking),
        )
    return table


def _with_interval(found: Middle) -> str:
    return f"{_ms(found.median)} [{_ms(found.low)}, {_ms(found.high)}]"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study and return the exit status: 1 if there is no interval."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.accuracy",
        description="Hold the measured window against another clock.",
    )
    parser.add_argument("--against", choices=sorted(REFERENCES), default="kernel")
    parser.add_argument("--requests", type=positive, default=REQUESTS, help="per place")
    parser.add_argument("--seed", type=positive, default=SEED)
    parser.add_argument("--output", type=Path, default=None)
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = parser.parse_args(given)
    output = options.output or Path(f"results/accuracy-{options.against}.toml")
    if not output.parent.is_dir() or output.is_dir():
        parser.error(f"cannot write {output}: choose another --output")
    if why := unsupported():
        parser.error(why)

    started, begin = datetime.now(UTC).replace(microsecond=0), time.monotonic()
    load = os.getloadavg()[0]
    routes = measure(
        REFERENCES[options.against],
        PLACES,
        options.requests,
        options.seed,
        Console(stderr=True),
    )
    facts = {
        "command": shlex.join(["python", "-m", *parser.prog.split()[2:], *given]),
        "seed": options.seed,
        "requests": options.requests,  # of each place
        "started": started,
        "duration_s": round(time.monotonic() - begin, 1),
        "load_before": round(load, 2),
        "load_after": round(os.getloadavg()[0], 2),
    }
    content = document(options.against, routes, facts)
    save(output, content)
    console = Console(width=None if sys.stdout.isatty() else 130)
    console.print(findings_table([findings(r) for r in routes], options.against))
    passed = content["passed"]
    console.print(f"{output}: {'done' if passed else 'too few readings'}")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
