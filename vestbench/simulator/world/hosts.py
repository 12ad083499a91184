"""Which host answers what: the venues by their names, all others as the user says."""

from __future__ import annotations

from collections.abc import Callable

from vestbench.model.simulated import CannedAnswer, WorldSpec
from vestbench.simulator.http.messages import (
    Application,
    Deferred,
    Headers,
    Request,
    Response,
)

# By the name of the host, the contract whose registrations it takes.
CONTRACTS = {
    "server-prod.hz.vestmarkets.com": "production",
    "ws-prod.hz.vestmarkets.com": "production",
    "server-dev.hz.vestmarkets.com": "development",
    "ws-dev.hz.vestmarkets.com": "development",
    "api.prod.paradex.trade": "production",
}


def is_venue(host: str) -> bool:
    """Say whether a host is one of an exchange."""
    return host in CONTRACTS


class Hosts:
    """An application that asks another one by the host that a request is for.

    Args:
        spec: What is answered for hosts that are no venue.
        venue: Makes the exchange that takes registrations of a contract; called once
            for each contract, when its first request comes.
    """

    def __init__(self, spec: WorldSpec, venue: Callable[[str], Application]) -> None:
        self._spec = spec
        self._venue = venue
        self._venues: dict[str, Application] = {}
        self._canned: dict[tuple[str, str, str], list[CannedAnswer]] = {}
        for each in spec.answers:
            place = (each.method, each.host, each.path)
            self._canned.setdefault(place, []).append(each)

    def begin(self, request: Request) -> Response | Deferred:
        """Answer a request, or say what has to be computed first."""
        host = host_of(request)
        canned = self._canned_for(request, host)
        if canned is not None:
            return Response(
                canned.status, canned.body, content_type=canned.content_type
            )
        if is_venue(host):
            return self._of(CONTRACTS[host]).begin(request)
        status = self._spec.answer_status
        return Response(status, b"" if status in (204, 304) else b"{}")

    def _canned_for(self, request: Request, host: str) -> CannedAnswer | None:
        """Return the answer to the same query, or else the first one to the path."""
        found = self._canned.get((request.method, host, request.path), [])
        same = (each for each in found if each.query == request.query)
        return next(same, found[0] if found else None)

    def refusal(self, status: int, message: str, headers: Headers = ()) -> Response:
        """Word an error that is not the application's own."""
        return self._of("development").refusal(status, message, headers)

    def is_order(self, request: Request) -> bool:
        """Say whether a request has the service time of orders."""
        contract = CONTRACTS.get(host_of(request))
        return contract is not None and self._of(contract).is_order(request)

    def prepare(self) -> None:
        """Make what the first request would have to wait for; in any thread."""
        self._of("development").prepare()

    def _of(self, contract: str) -> Application:
        if contract not in self._venues:
            self._venues[contract] = self._venue(contract)
        return self._venues[contract]


def host_of(request: Request) -> str:
    """Return the host that a request is for, in lower case and without a port."""
    host = request.headers.get("host", "").lower()
    return host if host.endswith("]") else host.rpartition(":")[0] or host
