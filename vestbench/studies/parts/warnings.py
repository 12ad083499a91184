"""What is unusual about a run of any study: what was seen, and why it matters."""

from __future__ import annotations

from collections.abc import Iterator

from vestbench.model.columns import COLUMNS
from vestbench.model.run import Run
from vestbench.report.units import ms, plural
from vestbench.studies.parts.breakdown import Breakdown
from vestbench.studies.parts.connections import connection_warnings
from vestbench.studies.parts.interruptions import interruption_warnings
from vestbench.studies.parts.route import is_relayed

# A residual larger than both is explained, not hidden.
_RESIDUAL_MS = 2.0
_RESIDUAL_SHARE = 0.1
_RESIDUAL_CAUSES = {
    "send": "a large request that has to wait for acknowledgements",
    "wait": "the server is slower on new connections, or an acknowledgement is delayed "
    "(about 40 ms)",
    "receive": "a large response on a connection that still starts slowly",
    "client": "work that the HTTP library does once for each connection",
}


def notes_of(run: Run) -> Iterator[str]:
    """Yield what was noted while the run went on, and what its connections show."""
    yield from run.conclusion.notes or ()
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


def residual_warning(breakdown: Breakdown | None) -> Iterator[str]:
    """Say where the rest of a saving comes from, if opening does not explain it all."""
    if breakdown is None or breakdown.residual is None or breakdown.opening is None:
        return
    small = max(_RESIDUAL_MS, _RESIDUAL_SHARE * abs(breakdown.saving))
    if abs(breakdown.residual) <= small:
        return
    parts = {
        column.title: breakdown.part(column.title) or 0.0
        for column in COLUMNS.parts
        if column.phase is None or (column.phase.network and not column.phase.opens)
    }
    name = max(parts, key=lambda part: abs(parts[part]))
    if parts[name] * breakdown.opening > 0:
        cause = f": {_RESIDUAL_CAUSES[name]}" if name in _RESIDUAL_CAUSES else ""
    elif breakdown.opening:
        cause = ", which takes longer on the reused connection"
        cause += ": an acknowledgement may be delayed" if name == "wait" else ""
    else:
        cause = ""
    yield (
        f"opening the connection takes {ms(breakdown.opening)} ms, but the saving is "
        f"{ms(breakdown.saving)} ms; the difference is mostly {name} "
        f"({ms(parts[name], signed=True)} ms){cause}"
    )


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
        why = "; ".join(refusals)
        yield (
            "* no packet link on this machine, so the TCP handshake is charged to TLS: "
            f"the totals hold, the split does not ({why}); see vestbench doctor"
        )
