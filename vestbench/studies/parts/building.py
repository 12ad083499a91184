"""What building the client took. No figure of a request holds this time."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from vestbench.model.run import Run
from vestbench.report.sheet import Text
from vestbench.report.units import ABSENT, ms

_CLIENT_COSTS = {
    "tls_context_ms": "TLS context",
    "default_context_ms": "with the usual trust store",
    "first_handshake_ms": "first TLS handshake on top",
}


def build_line(run: Run) -> Text:
    """Return a line that says what building the client took."""
    parts = []
    context = run.conditions.tls_context_ms
    if context is not None:
        parts.append(f"TLS context {ms(context)} ms, once")
    parts += _build_parts(run)
    first = run.conditions.first_handshake_ms
    if first is not None:
        parts.append(f"first TLS handshake of the process {ms(first)} ms more, once")
    usual = run.conditions.default_context_ms
    if usual is not None:
        parts.append(
            f"a TLS context with the usual trust store would be {ms(usual)} ms"
        )
    for stack, costs in run.conditions.clients.items():
        found = [f"{_CLIENT_COSTS[k]} {ms(v)} ms" for k, v in costs.stored().items()]
        if found:
            parts.append(f"{stack}: {', '.join(found)}")
    known = "; ".join(parts) or ABSENT
    return Text(f"building the client (in no figure above): {known}", "dim")


def _build_parts(run: Run) -> Iterator[str]:
    builds = run.conclusion.client_build_ms or ()
    owners = run.conclusion.client_build_stacks or [""] * len(builds)
    by_stack: dict[str, list[float]] = {}
    for owner, taken in zip(owners, builds, strict=True):
        by_stack.setdefault(owner, []).append(taken)
    for owner, found in by_stack.items():
        of = f" of {owner}" if owner else ""
        yield f"client object{of} {ms(median(found))} ms, median of {len(found)}"
