"""What is said of HTTP libraries that do what they should not, on loopback.

Each library is a copy that has been tampered with, in a measuring process of its own.
Of one with phases, the part of a request that it spoils is named; of reqwest, which
shows only the whole call, that is said not to be separable.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.command import QUICK
from tests.support.compare_commands import compare, flat
from tests.support.sabotage import sabotage
from vestbench.errors import ExitCode

# Far more than what this machine, when it is busy, adds to a request; and a target
# that only a sleep reaches.
_SLEEP = "time.sleep(0.1)"
_TARGET = ("--min-saving", "50ms")

_HTTPX, _REQWEST = "httpx", "reqwest"

_CLOSED = {
    _HTTPX: "the client closed it first, by no rule of its pool that is known here",
    _REQWEST: "it was gone, and who ended it first was not seen",
}
_INSEPARABLE = "not separable, because reqwest shows only the whole call"


class Row(NamedTuple):
    """One sabotage, and what has to be said of it."""

    name: str
    stack: str
    hooks: str
    code: ExitCode
    said: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.stack} {self.name}"


def _slow(method: str) -> str:
    """Return what makes a method of the standard library sleep first."""
    return (
        f"method = {method}\n"
        f"def slowly(*args): {_SLEEP}; return method(*args)\n"
        f"{method} = slowly"
    )


def _mostly(part: str, slower: str, like: str) -> tuple[str, ...]:
    return (f"ms are mostly {part} (", f"longer for {slower}, as when {like}")


_LIBRARY = "the HTTP library does some work"
_OPENS = "more than the physical limit"
_MET, _NOT_MET, _INVALID = ExitCode.OK, ExitCode.NOT_MET, ExitCode.INVALID


def _for_both(stack: str) -> list[Row]:
    closed = _CLOSED[stack]

    def row(name: str, hooks: str, code: ExitCode, *said: str) -> Row:
        return Row(name, stack, hooks, code, said)

    return [
        row(
            "closes 5 % of the connections that it should use again",
            "def again(it): next(turns) % 20 == 10 and it.drop()",
            _NOT_MET,
            f"1 connection could not be used again: {closed}",
        ),
        row(
            "closes 30 % of them",
            "def again(it): next(turns) % 10 < 3 and it.drop()",
            _INVALID,
            f"so it was not pooled: {closed}",
        ),
        row(
            "opens two connections for one",
            "def opening(it): it.connect()",
            _NOT_MET,
            "requests opened more than one connection, up to 2; only one of them",
        ),
        row(
            "opens a connection past the instrument",
            "def opening(it): socket.create_connection(it.address).close()",
            _NOT_MET,
            "that requests were seen to open",
            "the proof of reuse does not see all that the client does",
        ),
        row(
            "answers from a cache",
            "def again(it): return it.answer(b'{}')",
            _NOT_MET,
            "it was answered, but never sent",
        ),
        row(
            "asks for something else on open connections",
            "def again(it): it.ask_for('/v2/exchangeInfo')",
            _NOT_MET,
            "unpooled and pooled were answered differently: body",
        ),
    ]


_HTTPX_ALONE = [
    Row(
        "sleeps before it connects",
        _HTTPX,
        f"def opening(it): {_SLEEP}",
        _MET,
        (_OPENS, *_mostly("client", "unpooled", f"{_LIBRARY} once for each")),
    ),
    Row(
        "sleeps in TCP",
        _HTTPX,
        _slow("socket.socket.connect"),
        _MET,
        (_OPENS, *_mostly("connect", "unpooled", "the client waits before it")),
    ),
    Row(
        "sleeps in TLS",
        _HTTPX,
        _slow("ssl.SSLSocket.do_handshake"),
        _MET,
        (_OPENS, *_mostly("tls", "unpooled", "one end computes or waits")),
    ),
    Row(
        "sleeps on open connections",
        _HTTPX,
        f"def again(it): {_SLEEP}",
        _NOT_MET,
        ("pooled is slower than unpooled", "mostly client (-", f"when {_LIBRARY}"),
    ),
    Row(
        "sleeps after the answer",
        _HTTPX,
        f"def answered(it): {_SLEEP}",
        _MET,
        (_OPENS, *_mostly("client", "unpooled", f"{_LIBRARY} once for each")),
    ),
    Row(
        "resumes TLS sessions",
        _HTTPX,
        """
wrap = ssl.SSLContext.wrap_socket
def resumed(*args, session=None, **words):
    session = next((each.session for each in reversed(kept) if each.session), None)
    kept.append(wrap(*args, session=session, **words))
    return kept[-1]
ssl.SSLContext.wrap_socket = resumed
""",
        _INVALID,
        ("unpooled resumed a TLS session in", "so its handshakes were not full"),
    ),
]

_REQWEST_ALONE = [
    Row(
        "sleeps before it connects",
        _REQWEST,
        f"def opening(it): {_SLEEP}",
        _MET,
        (_OPENS, _INSEPARABLE),
    ),
    Row(
        "sleeps on open connections",
        _REQWEST,
        f"def again(it): {_SLEEP}",
        _NOT_MET,
        ("pooled is slower than unpooled", "less than the physical", _INSEPARABLE),
    ),
    Row(
        "sleeps after the answer",
        _REQWEST,
        f"def answered(it): {_SLEEP}",
        _MET,
        (_OPENS, _INSEPARABLE),
    ),
    Row(
        "resumes TLS sessions",
        _REQWEST,
        """
from datetime import timedelta
def build(self):
    if ("add_root_certificate_pem" in dict(self.calls)) and not kept:
        self.pool_max_idle_per_host(1).pool_idle_timeout(timedelta(microseconds=1))
        kept.append(self.on(_Builder()).build())
    return Client_(lambda: kept[0] if kept else self.on(_Builder()).build())
SyncClientBuilder.build, Client_.close = build, lambda self: None
""",
        _INVALID,
        ("pooled reused its connection in only 0 of 12", "0 of 12, 12 resumed"),
    ),
    Row(
        "keeps the connections that it should close",
        _REQWEST,
        """
def build(self):
    if ("add_root_certificate_pem" in dict(self.calls)) and not kept:
        kept.append(self.on(_Builder()).build())
    return Client_(lambda: kept[0] if kept else self.on(_Builder()).build())
SyncClientBuilder.build, Client_.close = build, lambda self: None
""",
        _INVALID,
        ("unpooled reused",),
    ),
]


@pytest.mark.usefixtures("empty_folder")
@pytest.mark.parametrize(
    "row",
    [*_for_both(_HTTPX), *_HTTPX_ALONE, *_for_both(_REQWEST), *_REQWEST_ALONE],
    ids=str,
)
def test_what_a_client_does_that_it_should_not_is_named(
    row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sabotage(row.stack, row.hooks, tmp_path, monkeypatch)

    result = compare(
        "pooled", "unpooled", "--stack", row.stack, *_TARGET, *QUICK, "--seed", "1"
    )

    text = flat(result.stdout + result.stderr)
    for said in row.said:
        assert said in text, result.output
    assert result.exit_code == row.code, result.output
    if row.stack == _REQWEST:
        assert "mostly" not in text
