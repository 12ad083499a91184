"""Which addresses a run met, and how many connections it opened there."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from statistics import median

from vestbench.model.record import Record
from vestbench.model.request import NS_PER_MS, Failure, Outcome, Sample
from vestbench.model.run import Run
from vestbench.model.verdict import Reason
from vestbench.report.units import ms, plural
from vestbench.studies.parts.groups import too_many
from vestbench.studies.parts.once import once_for_each_run

_MOST_LISTED = 4
_REPAIR = "repair it, or take it out of what the name stands for (DNS, the hosts file)"

# Of a request's latency, beyond which it is a measure of addresses more than of
# opening a connection. One that refuses at once on this machine is below.
_LOST_SHARE = 0.1


def lost_on_addresses(outcome: Outcome) -> bool:
    """Say whether a request waited for addresses that did not answer, and for long."""
    lost = outcome.unanswered_ns if isinstance(outcome, Sample) else None
    return lost is not None and lost > _LOST_SHARE * outcome.latency_ms * NS_PER_MS


def differ(one: Outcome, other: Outcome) -> bool:
    """Say whether two answers came from different addresses, where both are known."""
    remotes = [each.remote for each in (one, other) if isinstance(each, Sample)]
    return "" not in remotes and len(set(remotes)) > 1


def astray(one: Outcome, other: Outcome) -> tuple[bool, bool]:
    """Say whether one of two requests lost time on addresses, and whether they differ.

    The two are those that a saving is the difference of. Where none of them was
    answered, there is no saving.
    """
    lost = lost_on_addresses(one) or lost_on_addresses(other)
    return lost or _never_connected(one, other), differ(one, other)


def _never_connected(*pair: Outcome) -> bool:
    """Say whether one found no address that answers, while the other was answered."""
    failures = [each for each in pair if isinstance(each, Failure)]
    return len(failures) == 1 and failures[0].unanswered_by is not None


def misled(run: Run, savings: Iterable[tuple[bool, bool]]) -> Reason:
    """Say whether savings are a matter of addresses; a few of them may be.

    Args:
        run: What was measured.
        savings: What `astray` says of each.
    """
    met = met_by(run)
    if len(met.remotes) < 2 and not met.unanswered:  # as nearly always
        return Reason.NONE
    found = list(savings)
    if too_many(sum(lost for lost, _ in found), len(found)):
        return Reason.DEAD_ADDRESS
    elsewhere = sum(differs for _, differs in found)
    return Reason.OTHER_SERVER if too_many(elsewhere, len(found)) else Reason.NONE


def misled_by(run: Run, reason: Reason) -> str:
    """Say in words what `misled` found; empty for any other reason."""
    met = met_by(run)
    if reason is Reason.DEAD_ADDRESS:
        return (
            f"{', '.join(met.unanswered)} did not answer, and the saving holds the "
            f"{ms(median(met.lost_ms))} ms (median) that were lost on it: {_REPAIR}"
        )
    if reason is Reason.OTHER_SERVER:
        return (
            "the two requests of a saving met different servers, so it may be their "
            f"difference: {_listed(met.remotes)}; measure one of them, under a name "
            "that stands for it alone (in the hosts file)"
        )
    return ""


class Met(Record, frozen=True, kw_only=True):
    """What the requests of a run met on their way to a server."""

    remotes: Mapping[str, int]  # requests that each address answered
    unanswered: Mapping[str, int]  # requests that addresses did not answer
    lost_ms: Sequence[float]  # what each of these lost, where that is known
    several: int  # requests that opened more than one connection
    most: int  # that one of these opened


@once_for_each_run
def met_by(run: Run) -> Met:
    """Return what the requests of a run met, however many there are."""
    remotes: Counter[str] = Counter()
    unanswered: Counter[str] = Counter()
    lost = array("d")
    several = most = 0
    for outcome in chain[Outcome](run.samples, run.failures):
        if isinstance(outcome, Sample):
            remotes[outcome.remote] += 1
            if outcome.unanswered_ns is not None:
                lost.append(outcome.unanswered_ns / NS_PER_MS)
        elif outcome.unanswered_by:
            lost.append(outcome.elapsed_ns / NS_PER_MS)
        if outcome.unanswered_by:
            unanswered[outcome.unanswered_by] += 1
        if (outcome.opened or 0) > 1:
            several += 1
            most = max(most, outcome.opened or 0)
    del remotes[""]
    return Met(
        remotes=remotes,
        unanswered=unanswered,
        lost_ms=lost,
        several=several,
        most=most,
    )


def connection_warnings(run: Run) -> Iterator[str]:
    """Say what is unusual about the connections of a run, and about their addresses."""
    met = met_by(run)
    lost = f", which took {ms(median(met.lost_ms))} ms (median)" if met.lost_ms else ""
    for who, count in met.unanswered.items():
        yield (
            f"no connection to {who} in {plural(count, 'request')}{lost}: the address "
            f"did not answer, or refused; {_REPAIR}"
        )
    if len(met.remotes) > 1:
        yield (
            f"the requests met {len(met.remotes)} different servers, because the name "
            f"has several addresses: {_listed(met.remotes)}"
        )
    if met.several:
        yield (
            f"{plural(met.several, 'request')} opened more than one connection, up to "
            f"{met.most}; only one of them carried it"
        )
    yield from _not_reconciled(run)


def _listed(remotes: Mapping[str, int]) -> str:
    shown = [f"{remote} ({n})" for remote, n in list(remotes.items())[:_MOST_LISTED]]
    rest = len(remotes) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")


def _not_reconciled(run: Run) -> Iterator[str]:
    server, opened = run.conclusion.server, run.conclusion.opened
    if server is None or opened is None or server.connections == opened:
        return
    missed = server.connections - opened
    more = f"{abs(missed)} {'more' if missed > 0 else 'fewer'}"
    yield (
        f"the exchange counted {plural(server.connections, 'connection')}, {more} than "
        f"the {opened} that requests were seen to open: the proof of reuse does not "
        "see all that the client does"
    )
