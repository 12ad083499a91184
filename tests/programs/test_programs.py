"""Real programs: what they send is what the exchange and the link have seen of it."""

from __future__ import annotations

import errno
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.inside import NOBODY, environment, executed, inside
from vestbench.model.simulated import CannedAnswer, ExchangeSpec, WorldSpec
from vestbench.simulator.link.messages import COLUMNS

pytestmark = pytest.mark.link

TICKER = "https://server-prod.hz.vestmarkets.com/v2/ticker/latest"
CURL = ("curl", "--silent", "--show-error", "--fail")


def hosts(ran: Any) -> list[str]:
    return [each.host for each in ran.run.seen.connections]


@pytest.mark.parametrize("runner", [(), NOBODY], ids=["as started", "as nobody"])
def test_curl_sends_two_requests_over_one_connection(runner: tuple[str, ...]) -> None:
    done = executed("--rtt", "5ms", "--", *CURL, TICKER, TICKER, runner=runner)

    assert done.returncode == 0, done.stderr
    assert done.stdout.count('"tickers"') == 2
    said = done.stderr.splitlines()
    assert said[0].rstrip() == (
        "Your program sent 2 requests over 1 connection. None of them was needless."
    )
    assert "curl ended with status 0." in said


def test_urllib_opens_a_connection_for_each_request() -> None:
    script = (
        f"import urllib.request as u; [u.urlopen({TICKER!r}).read() for _ in 'abc']"
    )

    ran = inside("/usr/bin/python3", "-c", script)

    assert ran.run.status == 0, ran.err
    assert ran.counts == (3, 3)
    # It asks for it, by Connection: close.
    assert {each.reason for each in ran.run.seen.connections} == {"asked"}
    agents = {each.agent.partition("/")[0] for each in ran.run.seen.requests}
    assert agents == {"Python-urllib"}


def test_httpx_trusts_us_by_a_variable_and_keeps_its_connection() -> None:
    script = (
        "import sys; sys.path[:] = sys.argv[1:]; import httpx\n"
        "with httpx.Client() as client:\n"
        f"    for _ in 'abc': client.get({TICKER!r}).raise_for_status()"
    )

    ran = inside(sys.executable, "-c", script, *filter(None, sys.path))

    assert ran.run.status == 0, ran.err
    assert ran.counts == (3, 1)


def test_certifi_of_the_programs_python_trusts_us_whatever_variables_say() -> None:
    # As do ccxt, and requests without trust_env.
    script = (
        "import sys; sys.path[:] = sys.argv[1:]; import certifi, ssl, urllib.request\n"
        "context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)\n"
        "context.load_verify_locations(certifi.where())\n"
        f"urllib.request.urlopen({TICKER!r}, context=context).read()"
    )

    ran = inside(sys.executable, "-c", script, *filter(None, sys.path))

    assert ran.run.status == 0, ran.err
    assert ran.counts == (1, 1)


def test_the_bundle_of_the_system_trusts_us_without_any_variable() -> None:
    ran = inside(*("env", "-u", "CURL_CA_BUNDLE", "-u", "SSL_CERT_FILE", *CURL, TICKER))

    assert ran.run.status == 0, ran.err


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
def test_node_trusts_us_by_its_variable() -> None:
    script = (
        f"fetch({TICKER!r}).then(r => r.text()).then(t => console.log(t.length > 9))"
    )

    ran = inside("node", "-e", script)

    assert (ran.run.status, ran.out) == (0, "true\n"), ran.err
    assert ran.counts == (1, 1)


def test_any_name_address_and_port_leads_to_the_exchange() -> None:
    urls = (
        "https://a.example/x",
        "https://b.example:8443/x",
        "http://c.example:8080/x",
        "https://203.0.113.7:9443/x",
        "http://198.51.100.9/x",
    )

    ran = inside(*CURL, *urls)

    assert (ran.run.status, ran.out) == (0, 5 * "{}"), ran.err
    assert hosts(ran) == [
        *("a.example", "b.example", "c.example", "203.0.113.7", "198.51.100.9")
    ]
    assert [each.tls for each in ran.run.seen.connections] == [
        "1.3",
        "1.3",
        "",
        "1.3",
        "",
    ]
    assert ran.run.seen.names == {"a.example": 1, "b.example": 1, "c.example": 1}
    assert dialled(ran) == [443, 8443, 8080, 9443, 80]


def packets(ran: Any) -> list[tuple[int, ...]]:
    from array import array

    numbers = array("Q", ran.run.packets.columns)
    return [tuple(numbers[i : i + COLUMNS]) for i in range(0, len(numbers), COLUMNS)]


def dialled(ran: Any) -> list[int]:
    """Return the ports that SYNs of the program were for, in order."""
    syns = [each[1] for each in packets(ran) if each[2] == 1 and each[3] & 0x12 == 2]
    return [number >> 16 & 0xFFFF for number in dict.fromkeys(syns)]


def test_packets_and_account_agree_on_every_byte() -> None:
    ran = inside(*CURL, TICKER, TICKER)

    (connection,) = ran.run.seen.connections
    rows = packets(ran)
    up = [row for row in rows if row[2] == 1]
    assert {row[1] & 0xFFFF for row in rows} == {connection.port}
    first = next(row[4] for row in up if row[3] & 2) + 1
    for request in ran.run.seen.requests:
        # The last byte of a request left with the packet that reaches as far.
        ends = [row for row in up if row[5] and row[4] - first + row[5] == request.up]
        assert len(ends) == 1
        assert ends[0][0] < request.arrived_ns < (request.answered_ns or 0)
    down = [row for row in rows if row[2] == 0]
    start = next(row[4] for row in down if row[3] & 2) + 1
    last = ran.run.seen.requests[-1]
    whole = [row for row in down if row[4] - start + row[5] == last.down_to]
    assert whole[0][0] > (last.answered_ns or 0)


ASK = (
    "import socket, struct\n"
    "s = socket.create_connection(('x.example', 80))\n"
    "s.sendall(b'GET / HTTP/1.1\\r\\nHost: x.example\\r\\n\\r\\n')\n"
)


@pytest.mark.parametrize(
    ("then", "idle_timeout_s", "end"),
    [
        ("while s.recv(999): pass", 0.3, ("server", "fin", "idle")),
        ("s.recv(999)", 75.0, ("client", "fin", "")),
        (
            "s.recv(9); at_once = struct.pack('ii', 1, 0)\n"
            "s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)",
            75.0,
            ("client", "rst", ""),
        ),
    ],
    ids=["server", "client", "reset"],
)
def test_who_has_closed_a_connection_and_how(
    then: str, idle_timeout_s: float, end: tuple[str, str, str]
) -> None:
    exchange = ExchangeSpec(processing_ms=0.0, idle_timeout_s=idle_timeout_s)

    ran = inside("/usr/bin/python3", "-c", ASK + then, exchange=exchange)

    (seen,) = ran.run.seen.connections
    assert (seen.closed_by, seen.how, seen.reason) == end


def test_http2_is_offered_where_it_is_asked_for() -> None:
    exchange = ExchangeSpec(processing_ms=0.0, http2=True)

    ran = inside(*CURL, "--http2", TICKER, TICKER, exchange=exchange)

    assert ran.run.status == 0, ran.err
    assert ran.counts == (2, 1)
    (connection,) = ran.run.seen.connections
    assert (connection.alpn, connection.speech) == ("h2", "h2")
    assert [each.host for each in ran.run.seen.requests] == 2 * [
        "server-prod.hz.vestmarkets.com"
    ]
    assert all(each.down_to > each.down_from for each in ran.run.seen.requests)


def test_a_client_with_roots_of_its_own_is_seen_to_refuse_us(tmp_path: Path) -> None:
    import trustme

    roots = tmp_path / "roots.pem"
    roots.write_bytes(trustme.CA().cert_pem.bytes())

    ran = inside("curl", "-s", "--cacert", str(roots), "https://api.example/x")

    assert ran.run.status == 60
    (connection,) = ran.run.seen.connections
    assert (connection.host, connection.closed_by) == ("api.example", "client")
    assert "alert_unknown_ca" in connection.refusal
    assert connection.tls == ""


def test_a_client_that_pins_a_key_is_seen_to_leave_without_a_request() -> None:
    pin = "sha256//" + 43 * "A" + "="

    ran = inside("curl", "-s", "--pinnedpubkey", pin, "https://api.example/x")

    assert ran.run.status == 90
    assert ran.counts == (0, 1)
    assert ran.run.seen.connections[0].closed_by == "client"


def test_what_is_not_http_is_said_to_be_unreadable() -> None:
    script = (
        "import socket; s = socket.create_connection(('x.example', 443));"
        "s.sendall(b'\\x00\\x01binary\\r\\n\\r\\n'); s.recv(999)"
    )

    ran = inside("/usr/bin/python3", "-c", script)

    (connection,) = ran.run.seen.connections
    assert connection.refusal == "Invalid request line"
    assert ran.counts == (0, 1)


def test_500_connections_are_all_seen() -> None:
    script = (
        "import socket\n"
        "every = [socket.create_connection(('x.example', 80)) for _ in range(500)]\n"
        "asked = b'GET / HTTP/1.1\\r\\nHost: x.example\\r\\n\\r\\n'\n"
        "for s in every: s.sendall(asked)\n"
        "print(sum(s.recv(999)[:15] == b'HTTP/1.1 200 OK' for s in every))"
    )

    ran = inside("/usr/bin/python3", "-c", script, rtt_ms=1.0)

    assert ran.out == "500\n", ran.err
    assert ran.counts == (500, 500)


def test_ipv6_addresses_lead_nowhere_at_once_and_names_have_none() -> None:
    script = (
        "import socket\n"
        "try: socket.create_connection(('2001:db8::1', 443), 5)\n"
        "except OSError as error: print(error.errno)\n"
        "found = socket.getaddrinfo('x.example', 443, type=socket.SOCK_STREAM)\n"
        "print({each[0].name for each in found})"
    )

    ran = inside("/usr/bin/python3", "-c", script)

    assert ran.out.splitlines()[1:] == ["{'AF_INET'}"]
    assert ran.out.splitlines()[0] == str(errno.ENETUNREACH)
    assert ran.run.no_route == 1


def test_hosts_that_are_no_venue_answer_what_the_user_says() -> None:
    answer = CannedAnswer(
        method="GET",
        host="api.telegram.org",
        path="/getMe",
        query={},
        status=201,
        content_type="text/plain",
        body=b"hello",
    )
    world = WorldSpec(answers=(answer,), answer_status=501)
    written = ("-s", "-w", " %{http_code} %{content_type}\\n")
    urls = ("https://api.telegram.org/getMe", "https://api.telegram.org/other")

    ran = inside("curl", *written, *urls, world=world)

    assert ran.out == "hello 201 text/plain\n{} 501 application/json\n"


def test_secrets_of_paths_and_queries_are_not_kept() -> None:
    url = "https://api.telegram.org/bot123456:ABCdef-0123456789abcdefXYZ/send?text=hush"

    ran = inside(*CURL, url)

    assert ran.run.seen.requests[0].path == "/…/send?text"
    assert "hush" not in repr(ran.run)
    assert "ABCdef" not in repr(ran.run)


def test_any_api_key_is_taken_unless_that_is_forbidden() -> None:
    ask = (
        *("curl", "-s", "-H", "X-API-KEY: mine", "-H", "xrestservermm: restserver3"),
        "https://server-dev.hz.vestmarkets.com/v2/account?time=1",
    )

    taken = inside(*ask)
    refused = inside(*ask, world=WorldSpec(strict_keys=True))

    assert json.loads(taken.out)["balances"]
    assert json.loads(refused.out)["code"] == 1002


def test_a_local_port_can_be_reached_and_no_other(tmp_path: Path) -> None:
    import socket
    import threading

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def serve() -> None:
            client, _ = server.accept()
            with client:
                client.sendall(b"from outside " + client.recv(9))

        threading.Thread(target=serve, daemon=True).start()
        script = (
            "import socket, sys\n"
            "s = socket.create_connection(('localhost', int(sys.argv[1])), 5)\n"
            "s.sendall(b'asked'); print(s.recv(99).decode())\n"
            "try: socket.create_connection(('127.0.0.1', int(sys.argv[1]) ^ 1), 5)\n"
            "except ConnectionRefusedError: print('refused')"
        )

        ran = inside("/usr/bin/python3", "-c", script, str(port), local_ports=(port,))

    assert ran.out == "from outside asked\nrefused\n", ran.err


def test_proxies_and_other_services_are_not_in_the_environment() -> None:
    env = environment(
        HTTPS_PROXY="http://proxy:1", DOCKER_HOST="tcp://1.2.3.4:1", A="b"
    )

    ran = inside("env", env=env)

    names = {line.partition("=")[0] for line in ran.out.splitlines()}
    assert not {"HTTPS_PROXY", "DOCKER_HOST"} & names
    assert "A" in names
