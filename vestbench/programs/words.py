"""What a program's run was like, in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from vestbench.children import ending
from vestbench.model.traffic import Program
from vestbench.programs.running import ProgramRun


def account_of(run: ProgramRun) -> Iterator[str]:
    """Yield what it sent where, and what it could not."""
    seen = run.seen
    requests = Counter(each.connection for each in seen.requests)
    hosts: dict[str, list[int]] = {}
    for each in seen.connections:
        hosts.setdefault(each.host, []).append(requests[each.serial])
    total = _plural(len(seen.requests), "request")
    over = _plural(len(seen.connections), "connection")
    yield f"{run.name} sent {total} over {over}."
    for host, counts in hosts.items():
        yield (
            f"  {host}: {_plural(sum(counts), 'request')}, "
            f"{_plural(len(counts), 'connection')}"
        )
    yield from _refusals(run)
    yield from _leavings(run)


def _refusals(run: ProgramRun) -> Iterator[str]:
    refused = Counter(
        (each.host, each.refusal) for each in run.seen.connections if each.refusal
    )
    for (host, why), count in refused.items():
        times = "" if count == 1 else f" ({count} times)"
        if "alert" in why:
            yield (
                f"  {host}: the client refused our certificate{times}, with the alert "
                f"{why}: it has roots of its own, or expects a certain certificate"
            )
        else:
            yield f"  {host}: what was sent could not be read{times}: {why}"
    unasked = set(run.seen.names) - {each.host for each in run.seen.connections}
    if unasked:
        yield f"  looked up, but not connected to: {', '.join(sorted(unasked))}"


def _leavings(run: ProgramRun) -> Iterator[str]:
    if run.no_route:
        yield "  it dialled IPv6 addresses, which lead nowhere here: use a name"
    if run.packets.others:
        yield (
            f"  {_plural(run.packets.others, 'packet')} led nowhere: only TCP does, so "
            "no HTTP/3"
        )
    if run.left:
        yield (
            f"  it left {_plural(run.left, 'process', 'processes')} behind, which were "
            "ended: a program that works on in the background has to stay in front"
        )
    if run.packets.omitted or run.seen.omitted_requests:
        yield "  it sent more than can be kept: times are of the first part"


def ending_of(run: ProgramRun | Program) -> str:
    """Say how it ended, and whose the exit code is."""
    if run.ended_by in ("time", "enough"):
        why = "its time was over" if run.ended_by == "time" else "it had done enough"
        return f"{run.name} was ended by us, because {why}; that counts as 0."
    return f"{run.name} {ending(run.status)}."


def _plural(count: int, word: str, words: str = "") -> str:
    return f"{count} {word if count == 1 else words or word + 's'}"
