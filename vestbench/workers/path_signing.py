"""Requests that are signed inside the clock, in the process that sends them.

The signature is made immediately before the request departs, by the thread that sends
it, as a bot does that does not sign ahead. To sign in the parent would put two trips
between the processes into the time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from time import perf_counter_ns

from vestbench.model.request import Outcome, RequestSpec, Sample, Signer


def sign(
    spec: RequestSpec,
    signer: Signer | None,
    *,
    clock: Callable[[], int] = perf_counter_ns,
) -> tuple[RequestSpec, int | None]:
    """Return the signed request, and how many ns signing it took.

    None if it was signed before the clock started.
    """
    if spec.unsigned is None:
        return spec, None
    if signer is None:
        raise RuntimeError("a request has to be signed, and nobody is there to sign it")
    begin = clock()
    complete = signer.complete(spec)
    return complete, clock() - begin


def signed(outcome: Outcome, sign_ns: int | None) -> Outcome:
    """Return `outcome` as of a request whose time began with its signature."""
    if sign_ns is None:
        return outcome
    start_ns = outcome.start_ns - sign_ns
    if isinstance(outcome, Sample):
        return replace(
            outcome,
            start_ns=start_ns,
            latency_ns=outcome.latency_ns + sign_ns,
            sign_ns=sign_ns,
        )
    elapsed_ns = outcome.elapsed_ns + sign_ns
    return replace(outcome, start_ns=start_ns, elapsed_ns=elapsed_ns)
