"""Why each connection was opened, decided from records alone."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from vestbench.model.record import Record
from vestbench.model.traffic import Connection, Request, Traffic
from vestbench.model.verdict import Sentenced
from vestbench.studies.traffic.pool import Rules, Use, saved_by_pool, uses_of

# A program that closes a connection so soon after an answer does not mean to keep it.
_AT_ONCE_NS = 500_000_000
_MOST_ENDED = 100  # connections to a host whose ends are remembered
# A server's FIN so soon after its last answer belongs to that.
_WITH_ANSWER_NS = 20_000_000


class Why(Sentenced):
    """Why a connection was opened, as it is said of a program."""

    FIRST = "first", "it was the first to its host"
    BUSY = "busy", "all open connections to the host were busy"
    CLOSED = "closed", "it closes the connection after the answer"
    ASKED = "asked", "it asks the server to close after the answer (Connection: close)"
    UNREAD = "unread", "it closes the connection with bytes of the answer unread (RST)"
    IDLE = "closed-idle", "it had closed the connection after a while without requests"
    SERVER_IDLE = "server-idle", "the server had closed the connection: it was idle"
    SERVER_LIMIT = (
        "server-limit",
        "the server had closed the connection: it had served its number of requests",
    )
    SERVER_CLOSED = "server-closed", "the server had closed the connection"
    GOAWAY = "goaway", "the server had ended the connection (GOAWAY)"
    UNUSED_IDLE = (
        "other-pool",
        "an open, idle connection to the host was there and was not used: another "
        "client object, or another pool",
    )
    FAILED = "failed", "the connection before had failed"
    UPGRADE = "websocket", "it became a WebSocket"
    AHEAD = "ahead", "it was opened ahead of need, and never used"
    REFUSED = "refused", "it refused the certificate, or could not be understood"


NEVER_USED = {Why.AHEAD, Why.REFUSED}
_OF_SERVER = {"idle": Why.SERVER_IDLE, "max_requests": Why.SERVER_LIMIT}


class Opening(Record, frozen=True, kw_only=True):
    """One connection that was opened, and why."""

    connection: Connection
    why: Why
    needless: bool
    idle_ns: int | None = None  # of the one that was closed before, until then
    requests: Sequence[Request] = ()

    @property
    def cost_ns(self) -> int | None:
        """What opening it took, as the program saw it; None where not known."""
        usable = self.connection.usable_ns
        if usable is None or not self.requests:
            return None
        return usable - self.connection.opened_ns + self.requests[0].nagle_ns


def openings_of(traffic: Traffic, rules: Rules) -> tuple[Opening, ...]:
    """Return why each connection was opened, in the order in which they were.

    Args:
        traffic: All that a program sent.
        rules: Of the pool that it is held against, and of the server.
    """
    saved = saved_by_pool(traffic, rules)
    requests = traffic.requests_of()
    uses: dict[int, list[Use]] = {}
    for use in uses_of(traffic):
        uses.setdefault(use.serial, []).append(use)
    places: dict[tuple[int, str, int], _Place] = {}
    found = []
    for connection in traffic.connections:
        place = places.setdefault(connection.place, _Place(uses))
        sent = requests[connection.serial]
        why, before = place.opened(
            connection, sent, needed=connection.serial not in saved
        )
        needless = connection.serial in saved or why is Why.UNUSED_IDLE
        found.append(
            Opening(
                connection=connection,
                why=why,
                needless=needless and why not in NEVER_USED | {Why.UPGRADE},
                idle_ns=None if before is None else place.idle_ns(before),
                requests=tuple(sent),
            )
        )
    return tuple(found)


class _Place:
    """The connections of one run to one host, in the order in which they were opened.

    Args:
        uses: Of each connection, by its serial.
    """

    def __init__(self, uses: dict[int, list[Use]]) -> None:
        self._uses = uses
        self._open: list[Connection] = []  # those that have carried a request
        # Whose end has not been the reason for another one yet.
        self._ended: list[Connection] = []
        self._used = self._failed = False  # whether there was such a one

    def opened(
        self, new: Connection, sent: Sequence[Request], *, needed: bool
    ) -> tuple[Why, Connection | None]:
        """Return why a connection was opened, and whose end was the reason."""
        self._settle(new.opened_ns)
        found = self._why(new, sent, needed=needed)
        self._failed = self._failed or not new.speech
        # One that was never used is counted itself: not also by the one used instead.
        if new.speech and sent:
            self._open.append(new)
            self._used = True
        return found

    def _settle(self, at_ns: int) -> None:
        """Take those that have ended from those that are open."""
        ended = [each for each in self._open if self._end_ns(each) <= at_ns]
        if ended:
            self._open = [each for each in self._open if self._end_ns(each) > at_ns]
            self._ended = (self._ended + ended)[-_MOST_ENDED:]

    def _why(
        self, new: Connection, sent: Sequence[Request], *, needed: bool
    ) -> tuple[Why, Connection | None]:
        if not sent:
            broken = new.refusal or (not new.speech and new.closed_by == "server")
            return Why.REFUSED if broken else Why.AHEAD, None
        if any(request.upgraded for request in sent):
            return Why.UPGRADE, None
        if not self._used:
            return Why.FAILED if self._failed else Why.FIRST, None
        if any(self._is_idle(each, new.opened_ns) for each in self._open):
            return Why.UNUSED_IDLE, None
        return self._closed(needed=needed)

    def _closed(self, *, needed: bool) -> tuple[Why, Connection | None]:
        """Return why no connection was idle."""
        closed = sorted(
            self._ended, key=lambda each: (each.closed_ns or 0, each.serial)
        )
        # What a pool would have had idle the program has closed; what a pool would have
        # needed as well it needed because of the server, or while others were busy.
        likely = [one for one in closed if _of_client(one) is not needed]
        closed = likely or ([] if needed and self._open else closed)
        if not closed:
            return Why.BUSY, None
        last = closed[-1]
        self._ended.remove(last)
        return self._why_closed(last), last

    def _why_closed(self, last: Connection) -> Why:
        if last.reason == "asked":
            return Why.ASKED
        if not _of_client(last):
            ended = Why.GOAWAY if last.multiplexed else Why.SERVER_CLOSED
            return ended if last.multiplexed else _OF_SERVER.get(last.reason, ended)
        if (self.idle_ns(last) or 0) > _AT_ONCE_NS:
            return Why.IDLE
        return Why.UNREAD if last.how == "rst" else Why.CLOSED

    def idle_ns(self, connection: Connection) -> int | None:
        """Return how long a closed connection had been idle."""
        uses = self._uses.get(connection.serial)
        if not uses or connection.closed_ns is None:
            return None
        return max(0, connection.closed_ns - max(use.end_ns for use in uses))

    def _end_ns(self, each: Connection) -> float:
        """Return from when on a connection was of no more use.

        A server that ends it with an answer says so in that, and its FIN may come
        after the program has opened another one.
        """
        if each.closed_ns is None:
            return inf
        idle = self.idle_ns(each)
        if _of_client(each) and each.reason != "asked":
            return each.closed_ns
        with_answer = idle is not None and idle < _WITH_ANSWER_NS
        return each.closed_ns - idle if idle and with_answer else each.closed_ns

    def _is_idle(self, each: Connection, at_ns: int) -> bool:
        """Say whether an open connection could have taken a request at that time."""
        usable = each.usable_ns if each.usable_ns is not None else each.ready_ns
        if usable is None or usable > at_ns:
            return False
        if each.multiplexed:
            return True
        uses = self._uses.get(each.serial, [])
        return not any(use.begin_ns <= at_ns < use.end_ns for use in uses)


def _of_client(connection: Connection) -> bool:
    return connection.closed_by == "client" or connection.reason == "asked"
