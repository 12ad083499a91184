"""Exactly what goes over the wire, and what is made of exactly what comes back.

The server closes every connection, so nothing here is about pooling.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from pytest_httpserver import HTTPServer
from typer.testing import Result
from werkzeug import Request, Response

from tests.support.command import vestbench
from tests.support.servers import SLOT, free_port, get, opened
from vestbench import __version__
from vestbench.errors import UsageError
from vestbench.model.request import Failure, FailureKind, RequestSpec, Sample
from vestbench.model.strategy import UNPOOLED
from vestbench.running.pace import POLITE_BUDGET, check_budget, polite_rate
from vestbench.running.ports import Pacer
from vestbench.stacks.httpx_stack import HttpxStack
from vestbench.studies.bench.experiment import BURN_IN
from vestbench.studies.registry import load_run
from vestbench.venues import Venue, find_venue
from vestbench.venues.paradex import paradex
from vestbench.venues.vest.public import vest

SECRET = "hunter2"
NOW_MS = 1_772_360_100_000

# Without these, every request would be a tenth of a second after the last one.
QUICK = ("--rate", "1000")
FEW = ("-n", "12", "--sessions", "3")


@dataclass(frozen=True)
class Received:
    """A request as the server got it."""

    method: str
    target: str  # path and query, as they stood in the request line
    headers: dict[str, str]  # names in lower case
    body: bytes


def received(httpserver: HTTPServer) -> list[Received]:
    return [
        Received(
            request.method,
            request.environ["RAW_URI"],
            {name.lower(): value for name, value in request.headers},
            request.data,
        )
        for request, _ in httpserver.log
    ]


def serve(httpserver: HTTPServer, answer: Callable[[Request], Response]) -> None:
    """Answer everything, whatever its path."""
    httpserver.expect_request(re.compile("")).respond_with_handler(answer)


def always(httpserver: HTTPServer, status: int = 200, **headers: str) -> None:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    serve(httpserver, lambda _: Response(b"{}", status, fields))


def nth(httpserver: HTTPServer, number: int, status: int, **headers: str) -> None:
    """Answer with `status` from the n-th request on, counted from 1."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}

    def answer(_: Request) -> Response:
        if len(httpserver.log) + 1 >= number:
            return Response(b"{}", status, fields)
        return Response(b"{}")

    serve(httpserver, answer)


def failures_shown(result: Result) -> dict[str, int]:
    """Return the rows of the table of failures: counts by kind."""
    table = re.search(r"^Failures *\n(.+\n)+", result.stdout, re.MULTILINE)
    assert table is not None, result.output
    rows = map(str.split, table[0].splitlines()[2:])
    return {words[0]: int(words[1]) for words in rows if words}


@pytest.fixture(scope="session")
def httpserver_listen_address() -> tuple[str, int]:
    return ("127.0.0.1", 0)


pytestmark = pytest.mark.usefixtures("empty_folder")


@pytest.fixture(scope="module")
def stack() -> HttpxStack:
    return HttpxStack()


def outcome(stack: HttpxStack, spec: RequestSpec) -> Sample | Failure:
    with opened(stack) as session:
        return session.send(spec, SLOT)


def only(httpserver: HTTPServer) -> Received:
    (request,) = received(httpserver)
    return request


def exact_headers(httpserver: HTTPServer, **further: str) -> dict[str, str]:
    return {
        "host": f"127.0.0.1:{httpserver.port}",
        "user-agent": f"vestbench/{__version__}",
        "accept": "*/*",
        "accept-encoding": "gzip, deflate",  # whatever decoders are installed
        "connection": "keep-alive",
        **further,
    }


# --- what is sent ---

VEST = {
    "ticker": "/v2/ticker/latest?symbols=BTC-PERP",
    "depth": "/v2/depth?symbol=BTC-PERP&limit=20",
    "exchange-info": "/v2/exchangeInfo",
}


def test_no_endpoint_without_an_account_is_forgotten_here() -> None:
    # Those with one are exact in test_vest_private.
    public = {e.name for e in find_venue("vest").endpoints.values() if not e.private}
    assert public == set(VEST)
    assert set(find_venue("paradex").endpoints) == {"system-time"}


@pytest.mark.parametrize("name", ["vest", "vest-dev", "sim"])
@pytest.mark.parametrize(("endpoint", "target"), VEST.items())
def test_a_vest_request_is_exact_and_routed(
    httpserver: HTTPServer, stack: HttpxStack, name: str, endpoint: str, target: str
) -> None:
    always(httpserver)
    found = find_venue(name)
    venue = replace(found, base_url=httpserver.url_for("/v2"))

    sample = outcome(stack, venue.request(venue.endpoint(endpoint), now_ms=NOW_MS))

    assert isinstance(sample, Sample)
    assert only(httpserver) == Received(
        "GET", target, exact_headers(httpserver, xrestservermm="restserver0"), b""
    )


def test_the_account_group_decides_the_route(
    httpserver: HTTPServer, stack: HttpxStack
) -> None:
    always(httpserver)
    venue = vest("vest", httpserver.url_for("/v2"), account_group=7)

    outcome(stack, venue.request(venue.endpoint(), now_ms=NOW_MS))

    assert only(httpserver).headers["xrestservermm"] == "restserver7"


def test_a_paradex_request_is_exact(httpserver: HTTPServer, stack: HttpxStack) -> None:
    always(httpserver)
    venue = paradex(httpserver.url_for("/v1"))

    outcome(stack, venue.request(venue.endpoint(), now_ms=NOW_MS))

    assert only(httpserver) == Received(
        "GET", "/v1/system/time", exact_headers(httpserver), b""
    )


@pytest.mark.parametrize(
    ("given", "target"),
    [
        ("", "/"),
        ("/", "/"),
        ("/health", "/health"),
        ("/a//b/", "/a//b/"),
        ("/a%20b/%C3%A9", "/a%20b/%C3%A9"),
        ("?x=1", "/?x=1"),
        ("/p?x=a+b&y=%2F&x=2&z=", "/p?x=a+b&y=%2F&x=2&z="),
        ("/p?at=me@home", "/p?at=me@home"),
        ("?at=me@home", "/?at=me@home"),
        ("/p#part", "/p"),
    ],
)
def test_the_url_of_a_venue_is_sent_as_it_was_given(
    httpserver: HTTPServer, stack: HttpxStack, given: str, target: str
) -> None:
    always(httpserver)
    venue = find_venue(f"http://127.0.0.1:{httpserver.port}{given}")

    outcome(stack, venue.request(venue.endpoint(), now_ms=NOW_MS))

    assert only(httpserver) == Received("GET", target, exact_headers(httpserver), b"")


def test_an_unpooled_request_looks_the_same(
    httpserver: HTTPServer, stack: HttpxStack
) -> None:
    always(httpserver)

    with opened(stack, strategy=UNPOOLED) as session:
        session.send(get(httpserver.url_for("/")), SLOT)

    assert only(httpserver).headers == exact_headers(httpserver)


def test_no_cookie_is_sent_back(httpserver: HTTPServer, stack: HttpxStack) -> None:
    always(httpserver, Set_Cookie="session=1; Path=/")

    with opened(stack) as session:
        for _ in range(3):
            session.send(get(httpserver.url_for("/")), SLOT)

    assert [r.headers for r in received(httpserver)] == 3 * [exact_headers(httpserver)]


# --- what is made of the answer ---


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, FailureKind.STATUS),
        (304, FailureKind.STATUS),
        (401, FailureKind.STATUS),
        (404, FailureKind.STATUS),
        (429, FailureKind.RATE_LIMITED),
        (500, FailureKind.STATUS),
        (503, FailureKind.STATUS),
    ],
)
def test_a_status_that_is_no_success_is_a_failure(
    httpserver: HTTPServer, stack: HttpxStack, status: int, kind: FailureKind
) -> None:
    always(httpserver, status)

    failure = outcome(stack, get(httpserver.url_for("/")))

    assert isinstance(failure, Failure)
    assert (failure.kind, failure.status) == (kind, status)
    assert failure.detail.startswith(f"HTTP {status} ")
    assert len(received(httpserver)) == 1


@pytest.mark.parametrize(
    ("status", "accepted"), [(200, True), (401, True), (403, False)]
)
def test_an_account_may_be_unauthorised(
    httpserver: HTTPServer, stack: HttpxStack, status: int, accepted: bool
) -> None:
    always(httpserver, status)
    venue = vest("vest", httpserver.url_for("/v2"))

    found = outcome(stack, venue.request(venue.warm_up, now_ms=NOW_MS))

    assert isinstance(found, Sample) is accepted
    assert found.status == status


def test_a_redirection_is_not_followed(
    httpserver: HTTPServer, stack: HttpxStack
) -> None:
    always(httpserver, 301, Location=httpserver.url_for("/elsewhere"))

    outcome(stack, get(httpserver.url_for("/here")))

    assert only(httpserver).target == "/here"


# --- proxies ---

PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY")


@pytest.fixture
def dead_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    for name in PROXIES:
        monkeypatch.setenv(name, f"http://127.0.0.1:{port}")


@pytest.mark.usefixtures("dead_proxy")
def test_proxy_variables_are_ignored(httpserver: HTTPServer, stack: HttpxStack) -> None:
    always(httpserver)
    url = httpserver.url_for("/here")
    with pytest.raises(httpx.ConnectError):  # whoever obeys them gets nowhere
        httpx.get(url)

    sample = outcome(stack, get(url))

    assert isinstance(sample, Sample)
    assert only(httpserver).target == "/here"


@pytest.mark.usefixtures("dead_proxy")
def test_the_measuring_process_ignores_proxy_variables_too(
    httpserver: HTTPServer,
) -> None:
    always(httpserver)

    result = vestbench("bench", "--venue", httpserver.url_for("/here"), *QUICK, *FEW)

    assert result.exit_code == 0, result.output
    assert {r.target for r in received(httpserver)} == {"/here"}


# --- the command: what it sends ---


@pytest.fixture
def known_here(monkeypatch: pytest.MonkeyPatch, httpserver: HTTPServer) -> None:
    """Let the known venues be at the test server."""

    def here(name: str, path: str) -> Venue:
        return replace(find_venue(name), base_url=httpserver.url_for(path))

    known = {
        "vest": here("vest", "/v2"),
        "vest-dev": here("vest-dev", "/v2"),
        "paradex": here("paradex", "/v1"),
    }
    monkeypatch.setattr("vestbench.venues._VENUES", known)


@pytest.mark.usefixtures("known_here")
@pytest.mark.parametrize(
    ("venue", "endpoint", "target"),
    [
        ("vest", "ticker", VEST["ticker"]),
        ("vest-dev", "depth", VEST["depth"]),
        ("vest", "exchange-info", VEST["exchange-info"]),
        ("paradex", "system-time", "/v1/system/time"),
    ],
)
def test_bench_sends_what_was_asked_for_and_nothing_else(
    httpserver: HTTPServer, venue: str, endpoint: str, target: str
) -> None:
    always(httpserver)
    words = ("--venue", venue, "--endpoint", endpoint)

    result = vestbench("bench", *words, *QUICK, *FEW, "-o", "run.toml")

    assert result.exit_code == 0, result.output
    routed = {} if venue == "paradex" else {"xrestservermm": "restserver0"}
    sent = Received("GET", target, exact_headers(httpserver, **routed), b"")
    assert received(httpserver) == (BURN_IN + 12) * [sent]
    conditions = load_run(Path("run.toml")).conditions
    assert conditions.url == httpserver.url_for("") + target.removeprefix("/")
    assert conditions.venue == venue
    assert conditions.simulated is False


@pytest.mark.usefixtures("known_here")
def test_each_account_request_carries_its_moment_key_and_route(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    always(httpserver)
    monkeypatch.setenv("VEST_API_KEY", "throw-away")
    monkeypatch.setenv("VEST_ACCOUNT_GROUP", "4")
    words = ("--venue", "vest", "--endpoint", "account")

    before_ms = time.time_ns() // 1_000_000
    result = vestbench("bench", *words, *QUICK, *FEW)
    after_ms = time.time_ns() // 1_000_000

    assert result.exit_code == 0, result.output
    targets = [request.target for request in received(httpserver)]
    assert len(targets) == BURN_IN + 12
    stamps = [int(target.removeprefix("/v2/account?time=")) for target in targets]
    assert stamps == sorted(stamps)
    assert before_ms <= stamps[0] < stamps[-1] <= after_ms
    headers = [request.headers for request in received(httpserver)]
    assert {each["x-api-key"] for each in headers} == {"throw-away"}
    assert {each["xrestservermm"] for each in headers} == {"restserver4"}


@pytest.mark.usefixtures("known_here")
def test_warmup_asks_for_the_account_and_then_what_is_measured(
    httpserver: HTTPServer,
) -> None:
    def answer(request: Request) -> Response:
        return Response(b"{}", 401 if request.path == "/v2/account" else 200)

    serve(httpserver, answer)
    words = ("--venue", "vest", "--rounds", "2", "--connections", "1", "--quiet")

    result = vestbench("warmup", *words, *QUICK)

    assert result.exit_code == 0, result.output
    paths = [request.target.partition("?")[0] for request in received(httpserver)]
    # A start of each sort is discarded, in this order.
    assert paths[:3] == ["/v2/ticker/latest", "/v2/account", "/v2/ticker/latest"]
    assert sorted(paths[3:]) == 2 * ["/v2/account"] + 4 * ["/v2/ticker/latest"]


# --- the command: what it makes of failures ---


@pytest.mark.parametrize("status", [301, 404, 500, 503])
def test_a_status_on_all_requests_is_one_line_and_exit_code_4(
    httpserver: HTTPServer, status: int
) -> None:
    always(httpserver, status, Location=httpserver.url_for("/elsewhere"))
    url = httpserver.url_for("/here")

    result = vestbench("bench", "--venue", url, *QUICK, *FEW)

    assert result.exit_code == 4
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("error: ")
    assert url in result.stderr
    assert f"status: HTTP {status} " in result.stderr
    assert "(12 of 12 requests)" in result.stderr
    (path,) = Path("results").iterdir()
    assert str(path) in result.stderr
    run = load_run(path)
    assert (len(run.samples), len(run.failures)) == (0, 12)
    # The discarded requests end with the first that fails.
    assert [r.target for r in received(httpserver)] == 13 * ["/here"]


@pytest.mark.parametrize("status", [301, 500, 503])
def test_a_status_on_some_requests_is_counted_in_a_table(
    httpserver: HTTPServer, status: int
) -> None:
    nth(httpserver, BURN_IN + 8, status, Location=httpserver.url_for("/elsewhere"))
    url = httpserver.url_for("/here")

    result = vestbench("bench", "--venue", url, *QUICK, *FEW, "-o", "run.toml")

    assert result.exit_code == 0, result.output
    assert failures_shown(result) == {"status": 5}
    assert f"HTTP {status} " in result.stdout
    run = load_run(Path("run.toml"))
    assert (len(run.samples), len(run.failures)) == (7, 5)
    assert {failure.status for failure in run.failures} == {status}
    targets = [request.target for request in received(httpserver)]
    assert targets == (BURN_IN + 12) * ["/here"]


def test_failures_of_different_kinds_have_a_row_each(httpserver: HTTPServer) -> None:
    statuses = {BURN_IN + 5: 429, BURN_IN + 6: 503, BURN_IN + 9: 429, BURN_IN + 10: 500}
    serve(
        httpserver,
        lambda _: Response(b"{}", statuses.get(len(httpserver.log) + 1, 200)),
    )

    result = vestbench("bench", "--venue", httpserver.url_for("/"), *QUICK, *FEW)

    assert result.exit_code == 0, result.output
    assert failures_shown(result) == {"rate-limited": 2, "status": 2}
    assert len(received(httpserver)) == BURN_IN + 12


@pytest.mark.parametrize(
    ("after", "said"),
    [("7", "asked to wait 7 s"), ("soon", "asked for a pause")],
    ids=["seconds", "neither-seconds-nor-date"],
)
def test_a_429_with_retry_after_ends_the_run_politely(
    httpserver: HTTPServer, after: str, said: str
) -> None:
    nth(httpserver, BURN_IN + 8, 429, Retry_After=after)
    words = ("--venue", httpserver.url_for("/"), "-o", "run.toml")

    result = vestbench("bench", *words, *QUICK, *FEW)

    assert result.exit_code == 0, result.output
    shown = " ".join(result.stdout.split())
    assert "Ended early: the venue limits the rate" in shown
    assert f"{said} (429 with Retry-After)" in shown
    assert failures_shown(result) == {"rate-limited": 1}
    assert len(received(httpserver)) == BURN_IN + 8  # nothing after the refusal
    run = load_run(Path("run.toml"))
    assert (len(run.samples), len(run.failures)) == (7, 1)
    assert not run.interrupted
    assert vestbench("report", "run.toml").stdout == result.stdout


def test_a_run_that_was_limited_does_not_pass_a_gate(httpserver: HTTPServer) -> None:
    nth(httpserver, BURN_IN + 8, 429, Retry_After="7")

    result = vestbench(
        "bench", "--venue", httpserver.url_for("/"), *QUICK, *FEW, "--gate"
    )

    # Nothing was reused at this server, which weighs more than too few sessions.
    assert result.exit_code == 5, result.output


def test_a_429_without_retry_after_ends_the_run_the_third_time(
    httpserver: HTTPServer,
) -> None:
    nth(httpserver, BURN_IN + 5, 429)

    result = vestbench("bench", "--venue", httpserver.url_for("/"), *QUICK, *FEW)

    assert result.exit_code == 0, result.output
    assert "Ended early: the venue limits the rate (3 times 429)" in result.stdout
    assert failures_shown(result) == {"rate-limited": 3}
    assert len(received(httpserver)) == BURN_IN + 7


def test_a_429_to_the_very_first_request_is_the_last_one(
    httpserver: HTTPServer,
) -> None:
    always(httpserver, 429, Retry_After="7")

    result = vestbench("bench", "--venue", httpserver.url_for("/"), *QUICK, *FEW)

    assert result.exit_code == 4
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert "asked to wait 7 s" in result.stderr
    assert len(received(httpserver)) == 1
    assert not list(Path("results").glob("*"))


# --- what must not be told ---


def told(result: Result) -> str:
    """Return all that was printed, and all that is in a file or its name."""
    found = [result.stdout, result.stderr]
    for path in Path.cwd().rglob("*"):
        found.append(path.name)
        if path.is_file():
            found.append(path.read_text(encoding="utf-8"))
    return "\n".join(found)


@pytest.mark.parametrize(
    "words",
    [(), ("--json",), ("--quiet",), ("--unpooled",), ("--endpoint", "nothing")],
    ids=["tables", "json", "quiet", "unpooled", "wrong-endpoint"],
)
def test_the_query_of_a_url_is_sent_but_never_told(
    httpserver: HTTPServer, words: tuple[str, ...]
) -> None:
    always(httpserver)
    url = f"{httpserver.url_for('/here')}?token={SECRET}"

    result = vestbench("bench", "--venue", url, *QUICK, *FEW, *words)

    if "--endpoint" in words:
        assert result.exit_code == 2
    else:
        assert result.exit_code == 0, result.output
        sent = {request.target for request in received(httpserver)}
        assert sent == {f"/here?token={SECRET}"}
        assert "/here?…" in told(result)
    assert SECRET not in told(result)


@pytest.mark.parametrize("start", [1, BURN_IN + 5], ids=["always", "later"])
@pytest.mark.parametrize("status", [301, 429, 503])
def test_the_query_of_a_url_is_not_told_when_it_fails(
    httpserver: HTTPServer, status: int, start: int
) -> None:
    path = f"/here?token={SECRET}"
    nth(httpserver, start, status, Location=path)
    url = httpserver.url_for("/") + path.removeprefix("/")

    result = vestbench("bench", "--venue", url, *QUICK, *FEW)

    assert result.exit_code == (4 if start == 1 else 0), result.output
    assert SECRET not in told(result)


def test_the_query_of_a_url_is_not_told_when_its_refusal_ends_the_run_at_once(
    httpserver: HTTPServer,
) -> None:
    always(httpserver, 429, Retry_After="7")
    url = f"{httpserver.url_for('/here')}?token={SECRET}"

    result = vestbench("bench", "--venue", url, *QUICK, *FEW)

    assert result.exit_code == 4
    assert SECRET not in told(result)


@pytest.mark.parametrize(
    ("url", "words", "code"),
    [
        ("http://127.0.0.1:{port}/?token={secret}", (), 4),
        ("http://127.0.0.1:{port}?token={secret}", (), 4),
        ("http://127.0.0.1:{port}/?token={secret}", ("-n", "5000"), 2),
        pytest.param("http://127.0.0.1:{port}/?token={secret}", ("--rtt", "30ms"), 2),
        ("http://127.0.0.1:port/?token={secret}", (), 2),
        ("http://[::1/?token={secret}", (), 2),
        ("http://127.0.0.1/?token={secret} ", (), 2),
        ("HTTP://127.0.0.1/?token={secret}", (), 2),
        ("127.0.0.1/?token={secret}", (), 2),
        ("http://?token={secret}", (), 2),
    ],
    ids=[
        "refused",
        "no-path",
        "budget",
        "sim-option",
        "port",
        "bracket",
        "space",
        "upper-case",
        "no-scheme",
        "no-host",
    ],
)
def test_the_query_of_a_url_is_not_told_when_nothing_is_reached(
    url: str, words: tuple[str, ...], code: int
) -> None:
    venue = url.format(port=free_port(), secret=SECRET)

    result = vestbench("bench", "--venue", venue, *QUICK, *words)

    assert result.exit_code == code, result.output
    assert result.stderr.count("\n") == 1
    assert SECRET not in told(result)


def test_compare_does_not_tell_the_query_of_a_url(httpserver: HTTPServer) -> None:
    always(httpserver)
    url = f"{httpserver.url_for('/here')}?token={SECRET}"

    result = vestbench("compare", "pooled", "unpooled", "--venue", url, *QUICK)

    assert result.exit_code == 5, result.output  # this server closes what was pooled
    assert {r.target for r in received(httpserver)} == {f"/here?token={SECRET}"}
    assert SECRET not in told(result)


def test_warmup_does_not_log_the_query_of_a_url(httpserver: HTTPServer) -> None:
    always(httpserver, 503)
    url = f"{httpserver.url_for('/here')}?token={SECRET}"
    words = ("warmup", "--rounds", "1", "--connections", "1", "--venue", url, *QUICK)

    done = subprocess.run(
        [sys.executable, "-m", "vestbench", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 4, done.stderr
    assert "warm-up returned HTTP 503" in done.stderr
    assert SECRET not in done.stdout + done.stderr
    (path,) = Path("results").iterdir()
    assert SECRET not in path.read_text(encoding="utf-8")


# --- politeness ---


@dataclass
class Nap:
    """A clock that moves only when somebody sleeps."""

    now_ns: int = 0

    def __post_init__(self) -> None:
        self.slept: list[float] = []

    def clock(self) -> int:
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 9))
        self.now_ns += round(seconds * 1e9)

    def pacer(self, max_rate: float | None) -> Pacer:
        return Pacer(max_rate=max_rate, clock=self.clock, sleep=self.sleep)


def test_a_real_venue_is_sent_ten_requests_a_second_by_default() -> None:
    nap = Nap()
    pacer = nap.pacer(polite_rate(None, real=True))

    for _ in range(11):
        pacer.wait()

    assert nap.slept == 10 * [0.1]


def test_concurrent_requests_count_one_by_one() -> None:
    nap = Nap()
    pacer = nap.pacer(polite_rate(None, real=True))

    pacer.wait(4)
    pacer.wait(1)
    pacer.wait(1)

    assert nap.slept == [0.4, 0.1]


def test_the_time_that_a_request_takes_is_not_waited_for_again() -> None:
    nap = Nap()
    pacer = nap.pacer(polite_rate(None, real=True))

    pacer.wait()
    nap.now_ns += 60_000_000
    pacer.wait()
    nap.now_ns += 160_000_000
    pacer.wait()

    assert nap.slept == [0.04]


def test_the_simulated_exchange_is_not_spared() -> None:
    nap = Nap()
    pacer = nap.pacer(polite_rate(None, real=False))

    for _ in range(5):
        pacer.wait()

    assert nap.slept == []


@pytest.mark.parametrize(
    ("real", "rate", "limit"),
    [
        (True, None, 10.0),
        (True, 50.0, 50.0),
        (True, 0.5, 0.5),
        (False, None, None),
        (False, 3.0, 3.0),
    ],
)
def test_an_explicit_rate_is_taken_at_its_word(
    real: bool, rate: float | None, limit: float | None
) -> None:
    assert polite_rate(rate, real=real) == limit


def test_the_budget_of_a_real_venue_is_a_thousand_requests() -> None:
    check_budget(1000, POLITE_BUDGET, real=True)
    check_budget(1001, 1001, real=True)
    check_budget(100_000, POLITE_BUDGET, real=False)
    with pytest.raises(UsageError, match="--budget 1001 allows them"):
        check_budget(1001, POLITE_BUDGET, real=True)


@pytest.mark.parametrize("rate", [0.0, -1.0])
@pytest.mark.parametrize("real", [True, False])
def test_no_rate_at_all_is_refused(real: bool, rate: float) -> None:
    with pytest.raises(UsageError, match="--rate"):
        polite_rate(rate, real=real)


@pytest.mark.parametrize(
    ("words", "refused"),
    [
        (("bench", "-n", "997"), 1001),
        (("warmup", "--rounds", "250", "--connections", "2"), 1004),
        (("compare", "pooled", "unpooled", "--max-rounds", "331"), 1002),
    ],
    ids=["bench", "warmup", "compare"],
)
def test_the_budget_counts_the_discarded_requests_too(
    httpserver: HTTPServer, words: tuple[str, ...], refused: int
) -> None:
    always(httpserver)

    result = vestbench(*words, "--venue", httpserver.url_for("/"))

    assert result.exit_code == 2
    assert f"--budget {refused} allows them" in result.stderr
    assert received(httpserver) == []


@pytest.mark.parametrize(
    ("words", "limit"), [((), 10.0), (("--rate", "25"), 25.0)], ids=["default", "given"]
)
@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("bench", "-n", "4"), 0),
        (("warmup", "--rounds", "1"), 0),
        (("compare", "pooled", "unpooled", "--max-rounds", "12"), 5),
    ],
    ids=["bench", "warmup", "compare"],
)
def test_the_command_paces_itself_by_that_limit(
    httpserver: HTTPServer,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
    code: int,
    words: tuple[str, ...],
    limit: float,
) -> None:
    always(httpserver)
    limits: list[float | None] = []

    def unhurried(*, max_rate: float | None, **_: Any) -> Pacer:
        limits.append(max_rate)
        return Nap().pacer(max_rate)

    monkeypatch.setattr("vestbench.running.pace.Pacer", unhurried)

    result = vestbench(*command, "--venue", httpserver.url_for("/"), *words, "--json")

    assert result.exit_code == code, result.output
    assert limits == [limit]
    assert json.loads(result.stdout)["plan"]["max_rate"] == limit
