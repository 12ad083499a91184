"""Signing where the request is sent, inside the clock."""

from __future__ import annotations

from dataclasses import replace

from vestbench.model.request import RequestSpec
from vestbench.venues.secret import Secret
from vestbench.venues.vest import signing
from vestbench.venues.vest.orders import Unsigned


class PathSigner:
    """Completes unsigned requests in the process that sends them.

    It is the one thing with a key in it that can be pickled. Pickle it only into the
    private channel of that process: the key is neither on its command line nor in its
    environment.
    """

    def __init__(self, key: Secret) -> None:
        self._key = key

    def __repr__(self) -> str:
        return "PathSigner(…)"

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return _arrived, (self._key.reveal(),)

    def prepare(self) -> None:
        """Import what signing needs and sign once: no measured signature is the first.

        It takes more than a second.
        """
        signing.prepare()

    def complete(self, spec: RequestSpec) -> RequestSpec:
        """Return `spec` with its body built and signed."""
        if not isinstance(spec.unsigned, Unsigned):
            raise TypeError("there is nothing to sign in this request")
        body = spec.unsigned.signed(self._key)
        return replace(spec, body=body, unsigned=None)


def _arrived(text: str) -> PathSigner:
    return PathSigner(Secret(text))
