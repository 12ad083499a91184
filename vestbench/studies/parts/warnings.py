"""What is unusual about a run of any study: what was seen, and why it matters."""

from __future__ import annotations

from collections.abc import Iterator

from vestbench.model.run import Run
from vestbench.report.units import plural
from vestbench.studies.parts.connections import connection_warnings
from vestbench.studies.parts.interruptions import interruption_warnings
from vestbench.studies.parts.reasons import reuse_warnings
from vestbench.studies.parts.route import is_relayed


def notes_of(run: Run) -> Iterator[str]:
    """Yield what was noted while the run went on, and what its connections show."""
    yield from run.conclusion.notes or ()
    yield from reuse_warnings(run)
    yield from connection_warnings(run)
    yield from interruption_warnings(run)


def resent_warnings(
    run: Run, connects: int, longer: str, segments: int
) -> Iterator[str]:
    """Say what was sent again, unless the link was asked to lose packets.

    Args:
        run: What was measured.
        connects: Those that took as long as if their first packet had been lost.
        longer: By how much they took longer.
        segments: Those that were sent again.
    """
    if connects:
        yield (
            f"{plural(connects, 'connect')} took {longer} than the others: a lost SYN "
            "that was sent again, not the cost of a handshake"
        )
    link = run.conditions.link
    if segments and not (link is not None and link.loss):
        yield f"{plural(segments, 'segment')} had to be sent again"


def link_warnings(run: Run, disturbed: int) -> Iterator[str]:
    """Say what went wrong with the emulated link."""
    end = run.conclusion.link
    if end is not None and end.disturbed:
        yield f"the emulated link was disturbed: {end.disturbed}"
    if disturbed:
        yield (
            f"{plural(disturbed, 'sample')} of {len(run.samples)} met a packet that "
            "the emulated link delivered more than 0.2 ms late; they are kept"
        )
    if is_relayed(run):
        link = run.conditions.link
        refusals = link.refusals if link is not None else ()
        why, hint = "as asked, the delay is made by a relay", ""
        if refusals:
            why = "no packet link on this machine"
            hint = f" ({'; '.join(refusals)}); see vestbench doctor"
        yield (
            f"* {why}, so the TCP handshake is charged to TLS: the totals hold, the "
            f"split does not{hint}"
        )
