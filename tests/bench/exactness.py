"""The tables of the README's section on exactness, from the stored studies.

`python -m tests.bench.exactness` writes them between their marks in `README.md`,
after `nox -s accuracy`, `overhead`, `memory` or `story` has stored new figures. A test
holds that they are those of the files.
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


def story() -> list[str]:
    """Return what each client of the story's bot needs, and what round trips it has."""
    found = stored("story-answered")
    routes = sorted({row["rtt_ms"] for row in found["cell"]})
    rows: dict[tuple[str, str, bool], list[Stored]] = {}
    for row in found["cell"]:
        key = row["reqwest"], row["client"], row["warm_up"]
        rows.setdefault(key, []).append(row)
    lines = [
        [
            _bot(reqwest, client, found) + (", warmed up" if warm_up else ""),
            *(with_interval(row["first_ms"], ".1f") for row in cells),
            *(with_interval(row["later_ms"], ".1f") for row in cells),
            f"{_alike(cells, 'connections')}, {_alike(cells, 'needless')}",
        ]
        for (reqwest, client, warm_up), cells in rows.items()
    ]
    starts = {row["starts"] for row in found["cell"]}
    first = [f"first, {rtt} ms link" for rtt in routes]
    head = [
        f"client ({_alike_number(starts)} starts a cell), ms",
        *(*first, *(f"later, {rtt}" for rtt in routes), "connections, needless"),
    ]
    trips = [
        [
            _bot(row["reqwest"], row["client"], found),
            *(with_interval(row[which]) for which in ("first", "later")),
        ]
        for row in found["round_trips"]
    ]
    of_trips = (f"round trips (n = {_n(found['round_trips'])})", "first", "later")
    equal = [[bar["name"], with_interval(bar)] for bar in found["bar"]]
    of_equal = (f"ms (n = {_n(found['bar'])})", "found")
    tables = [*_table(head, lines), "", *_table(of_trips, trips), ""]
    warmed = [
        f"{row['rtt_ms']} ms: {with_interval(row['warm_up_ms'], '.0f')}"
        for row in rows["0.11", "after", True]
    ]
    made_of = (
        ", ".join(f"{name} {version}" for name, version in libraries.items())
        for libraries in found["programs"].values()
    )
    held = "; ".join(_held(found, reqwest) for reqwest in found["programs"])
    return [
        *tables,
        *_table(of_equal, equal),
        *_conditions("story-answered"),
        f"The warm-up itself took, as the bot logs it, {'; '.join(warmed)} ms.",
        f"Nagle's algorithm held the first request on {held}.",
        f"Made of {'; the newer of '.join(made_of)}.",
    ]


def story_idle() -> list[str]:
    """Return what became of a request after idling, in each client of the bot."""
    found = stored("story-answered")
    rows: dict[tuple[float, int], list[str]] = {}
    bots: dict[tuple[str, str], None] = {}
    for row in found["idle"]:
        bots[row["reqwest"], row["client"]] = None
        ways = {"reused": row["starts"] - sum(row["again"].values()), **row["again"]}
        said = ", ".join(f"{n} {why}" for why, n in ways.items() if n)
        rows.setdefault((row["pause_s"], row["closes_s"]), []).append(said)
    lines = [
        [f"{pause:g} s", f"{closes} s" if closes else "never", *texts]
        for (pause, closes), texts in rows.items()
    ]
    names = (_bot(*bot, found) for bot in bots)
    starts = _alike_number({row["starts"] for row in found["idle"]})
    closes = f"exchange closes after ({starts} starts a cell)"
    return _table(["idle for", closes, *names], lines)


def _held(found: Stored, reqwest: str) -> str:
    rows = [row for row in found["cell"] if row["reqwest"] == reqwest]
    held, opened = (sum(row[field] for row in rows) for field in ("nagle", "opened"))
    version = found["programs"][reqwest]["reqwest"]
    return f"{held} of {opened} connections of reqwest {version}"


def _bot(reqwest: str, client: str, found: Stored) -> str:
    version = found["programs"][reqwest]["reqwest"]
    return f"`{client}`" if reqwest == "0.11" else f"`{client}`, reqwest {version}"


def _alike(rows: Sequence[Stored], field: str) -> str:
    return _alike_number({number for row in rows for number in row[field]})


def _alike_number(numbers: set[int]) -> str:
    return " to ".join(map(str, dict.fromkeys((min(numbers), max(numbers)))))


def _n(rows: Iterable[Stored]) -> str:
    return _alike_number({row.get("first", row)["n"] for row in rows})


TABLES: dict[str, Callable[[], list[str]]] = {
    "peers": peers,
    "kernel": kernel,
    "servers": servers,
    "load-tools": load_tools,
    "overhead": overhead,
    "verdict": verdict,
    "long-run": long_run,
    "story": story,
    "story-idle": story_idle,
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
