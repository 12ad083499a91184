"""The tables of the README's section on exactness, from the stored studies.

`python -m tests.bench.exactness` writes them between their marks in `README.md`,
after `nox -s accuracy`, `overhead` or `memory` has stored new figures. A test holds
that they are those of the files.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"

Stored = Mapping[str, Any]


def stored(name: str) -> dict[str, Any]:
    """Return the file of a study."""
    return tomllib.loads((ROOT / "results" / f"{name}.toml").read_text("utf-8"))


def with_interval(found: Stored, form: str = ".2f") -> str:
    """Word a figure with its interval; one that has none is of too few values."""
    inner = f"{found['low']:{form}}, {found['high']:{form}}"
    shown = "" if "inf" in inner else f" [{inner}]"
    return f"{found['median']:{form}}{shown}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def _conditions(*names: str) -> list[str]:
    """Return a line on how busy the machine was; an empty one first ends the table."""
    files = [stored(name) for name in names]
    loads = ", ".join(f"{found['load_before']:.1f}" for found in files)
    cpus = files[0]["host"]["cpus"]
    return ["", f"Load of the {cpus} processors when it began: {loads}."]


_PHASES = (
    *(("cold", phase) for phase in ("connect", "tls", "wait", "network", "total")),
    *(("reused", phase) for phase in ("wait", "network", "total")),
)


def peers() -> list[str]:
    """Return what vestbench measured, less what others did."""
    found = stored("accuracy-peers")
    outcomes = {bar["name"]: bar["outcome"] for bar in found["bar"]}
    routes = sorted({row["rtt_ms"] for row in found["comparison"]} - {0.0})
    cells = {
        (row["peer"], row["rtt_ms"], row["request"], row["phase"]): row["difference"]
        for row in found["comparison"]
    }

    def line(peer: str, request: str, phase: str) -> list[str]:
        names = [f"{rtt:g} ms: {request} {phase}, against {peer}" for rtt in routes]
        return [
            with_interval(cells[peer, rtt, request, phase], "+.2f")
            + _unless_met(outcomes.get(name, "met"))
            for rtt, name in zip(routes, names, strict=True)
        ]

    rows = [
        [f"{request} {phase}", *line("curl", request, phase)]
        for request, phase in _PHASES
    ]
    rows.insert(2, ["cold tls, less the bare socket's", *line("raw", "cold", "tls")])
    head = [
        f"less curl's, ms ({found['rounds']} rounds)",
        *(f"{rtt:g} ms link" for rtt in routes),
    ]
    windows = [
        [
            bar["name"].removesuffix(", against raw"),
            with_interval(bar) + _unless_met(bar["outcome"]),
        ]
        for bar in found["bar"]
        if bar["name"].startswith("loopback")
    ]
    ratio = ["wire window over that of a bare socket", "ratio"]
    tables = [*_table(head, rows), "", *_table(ratio, windows)]
    return tables + _conditions("accuracy-peers")


def _unless_met(outcome: str) -> str:
    return "" if outcome == "met" else f" {outcome}"


def kernel() -> list[str]:
    """Return how much wider than the kernel's the measured window is."""
    found = stored("accuracy-kernel")
    rows = [
        [
            f"{place['rtt_ms']:g} ms",
            f"{place['processing_ms']:g} ms",
            *(
                with_interval(place[name], ".3f")
                for name in ("measured", "offset", "looking")
            ),
        ]
        for place in found["place"]
    ]
    head = [
        *(
            "round trip",
            "served in",
            f"measured window, ms ({found['requests']} requests)",
        ),
        *("wider than the kernel's by, ms", "of which looking costs, ms"),
    ]
    return _table(head, rows) + _conditions("accuracy-kernel")


def servers() -> list[str]:
    """Return how often nginx and vestbench counted alike."""
    found = stored("accuracy-servers")
    kinds: dict[tuple[str, int], list[Stored]] = {}
    for row in found["agreement"]:
        kinds.setdefault((row["strategy"], row["idle_s"]), []).append(row)

    def total(rows: Sequence[Stored], field: str) -> str:
        return f"{sum(row[field] for row in rows):,}"

    counts = (
        *("requests", "reused_here", "reused_there"),
        *("connections_here", "connections_there"),
    )
    rows = [
        [
            strategy,
            f"{idle_s} s",
            *(total(rows, field) for field in counts),
            str(sum(len(row["disagreements"]) for row in rows)),
        ]
        for (strategy, idle_s), rows in sorted(kinds.items())
    ]
    head = (
        *("strategy", "nginx closes after", "requests", "reused: ours", "nginx's"),
        *("connections: ours", "nginx's", "disagree"),
    )
    return _table(head, rows)


def load_tools() -> list[str]:
    """Return the medians of all load tools side by side."""
    found = stored("accuracy-load-tools")
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for row in found["row"]:
        key = row["tool"], row["request"]
        latency = row.get("latency")
        shown = with_interval(latency, ".1f") if latency else "not installed"
        rows.setdefault(key, {"why": row["why"]})[f"{row['rtt_ms']:g}"] = shown
    lines = [
        [tool, request, cells["0"], cells["30"], cells["why"]]
        for (tool, request), cells in rows.items()
    ]
    head = ("tool", "request", "loopback, ms", "30 ms link, ms", "what it is")
    return _table(head, lines) + _conditions("accuracy-load-tools")


def overhead() -> list[str]:
    """Return each bar of the tool's own cost."""
    names = ("overhead-start-up", "overhead-client-cost")
    rows = [
        [
            bar["name"],
            with_interval(bar),
            f"≤ {bar['limit']:g} {bar['unit']}".removesuffix(" ratio"),
            bar["outcome"],
        ]
        for name in names
        for bar in stored(name)["bar"]
    ]
    return _table(("what, of what", "found", "bar", ""), rows) + _conditions(*names)


def verdict() -> list[str]:
    """Return what a verdict costs in either design."""
    rows = [
        [
            row["design"],
            ", ".join(f"{n} {name}" for name, n in row["verdicts"].items()),
            *(
                with_interval(row[field], form)
                for field, form in (
                    ("requests", ".0f"),
                    ("seconds", ".1f"),
                    ("width_ms", ".1f"),
                )
            ),
        ]
        for row in stored("overhead-verdict-cost")["design"]
    ]
    head = ("design", "verdicts", "requests", "seconds", "interval of the saving, ms")
    return _table(head, rows) + _conditions("overhead-verdict-cost")


def long_run() -> list[str]:
    """Return what a long run needs of each process, and of each request."""
    found = stored("overhead-memory")
    outcomes = {bar["name"]: bar for bar in found["bar"]}
    rows = []
    for row in found["process"]:
        bar = outcomes.get(f"{row['name']}, grown")
        limit = [f"≤ {bar['limit']:g}", bar["outcome"]] if bar else ["", ""]
        figures = (f"{row[key]:.1f}" for key in ("begin_mb", "most_mb", "grown_mb"))
        rows.append([row["name"], *figures, *limit])
    rows.append(
        ["command, with its tables", "", f"{found['after_mb']:.1f}", "", "", ""]
    )
    rows.append(["`report` of the file", "", f"{found['report_mb']:.1f}", "", "", ""])
    head = [
        f"{found['requests']:,} requests, MB",
        *("when the first were on disk", "most", "grown", "bar", ""),
    ]
    run = stored("overhead-throughput")
    (now,) = (row for row in run["checkout"] if row["name"] == "now")
    costs = [
        [what, with_interval(now[field], form)]
        for what, field, form in (
            ("ms within a request", "latency_ms", ".2f"),
            ("ms between two requests", "between_ms", ".2f"),
            ("ms of processor time for a request, all processes", "cpu_ms", ".2f"),
            ("s before the first and after the last request", "outside_s", ".2f"),
        )
    ]
    each = [f"{run['requests']:,} requests, {run['rounds']} runs", "median"]
    tables = [*_table(head, rows), "", *_table(each, costs)]
    return tables + _conditions("overhead-memory", "overhead-throughput")


TABLES: dict[str, Callable[[], list[str]]] = {
    "peers": peers,
    "kernel": kernel,
    "servers": servers,
    "load-tools": load_tools,
    "overhead": overhead,
    "verdict": verdict,
    "long-run": long_run,
}


def filled(text: str) -> str:
    """Return a README with each table between its marks replaced by the stored one.

    Raises:
        ValueError: A table has no marks.
    """
    for name, build in TABLES.items():
        body = "\n".join(build())
        pattern = rf"<!-- exactness: {name} -->\n.*?<!-- end -->"
        replacement = f"<!-- exactness: {name} -->\n{body}\n<!-- end -->"
        text, count = re.subn(pattern, lambda _: replacement, text, flags=re.DOTALL)  # noqa: B023
        if count != 1:
            message = f"README has {count} places for the table {name}"
            raise ValueError(message)
    return text


def main() -> int:
    """Write the tables."""
    README.write_text(filled(README.read_text("utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
