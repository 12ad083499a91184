"""What is wrong with an option that a command does not have: what to type instead.

Users bring the options of curl, wget, hey, wrk, ab, k6 and hyperfine. Those have no
spelling in common with ours, so that the closest one would be a wrong answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any, NamedTuple

# From here on two spellings are taken for one: `--requets` is, `--cacert` and
# `--assert` (0.75) are not.
_CLOSE = 0.82
_SENT = "--endpoint chooses what is sent: method, path and body"
_CERTIFICATES = (
    "certificates are always checked; to trust a CA of your own, set SSL_CERT_FILE to "
    "a file with its certificate"
)
_LASTS = "a run lasts as long as --requests (bench), --rounds or --max-rounds say"
_AT_ONCE = "several requests at once are for bench alone, with --concurrency"
_DETAILS = "the report has each phase, and --csv each request"


class _Brought(NamedTuple):
    """Options of other tools that mean the same.

    `ours` are those that do this here, of which a command has one or none; `why` is
    said where it has none.
    """

    words: str
    ours: str = ""
    why: str = ""


_BROUGHT = (
    _Brought(
        "-k --insecure --no-verify --no-check-certificate --skip-tls-verify "
        "--insecure-skip-tls-verify",
        why=f"there is none: {_CERTIFICATES}",
    ),
    _Brought("--cacert --capath --ca --ca-bundle --ca-certificate", why=_CERTIFICATES),
    _Brought(
        "-E --cert --key --cert-type --certificate --private-key",
        why="there is none: no venue asks for a certificate of its clients",
    ),
    _Brought("-d", why=f"{_SENT}; {_LASTS}"),
    _Brought("-m", why=f"{_SENT}; --timeout is for one request"),
    _Brought("--request", why=f"{_SENT}; --requests is how many"),
    _Brought("-t", why=f"--timeout is for one request; {_AT_ONCE}"),
    _Brought("-w", why="vestbench warmup measures a warm-up; --json has all figures"),
    _Brought(
        "-X --method -D -T -F --form --data --data-raw --data-binary --data-urlencode "
        "--body --body-file --post-data --post-file --get --head -I",
        why=_SENT,
    ),
    _Brought(
        "-H --header --headers -A --user-agent --useragent -b --cookie -e --referer "
        "--compressed --content-type",
        why="there is none: the venue chooses the headers",
    ),
    _Brought(
        "-u -a --user --token --bearer --oauth2-bearer --api-key --apikey --password",
        "--keys",
        "there is none: the venue asks for no account here",
    ),
    _Brought(
        "-n -i -r -N --num --number --count --iterations --runs --min-runs --max-runs "
        "--repeat",
        "--requests --rounds --max-rounds",
        _LASTS,
    ),
    _Brought("-z --duration --duration-seconds", why=_LASTS),
    _Brought(
        "-c --concurrent --clients --vus --parallel --parallel-max --workers --threads "
        "--users -P",
        "--concurrency",
        _AT_ONCE,
    ),
    _Brought("--max-time --request-timeout --read-timeout", "--timeout"),
    _Brought("--rps --qps --speed", "--rate"),
    _Brought("--export-json --summary-export --report", "--json-file", "see --json"),
    _Brought("--export-markdown", "--markdown", "see --json"),
    _Brought("--export-csv", "--csv", "see --json"),
    _Brought("--out --save --write", "--output"),
    _Brought("--silent -s", "--quiet"),
    _Brought("--threshold --thresholds --expect", "--assert"),
    _Brought("--url --host --target", "--venue"),
    _Brought("--delay", "--rtt"),
    _Brought("-v --verbose --debug --trace --latency --write-out", why=_DETAILS),
    _Brought(
        "--disable-keepalive --no-keepalive --no-keep-alive --no-sessionid",
        "--unpooled",
        "the strategy unpooled opens a connection for each request",
    ),
    _Brought(
        "--keepalive --keep-alive --keepalive-time",
        why="connections are kept open by every strategy but unpooled and resumed; "
        "--tcp-keepalive is for TCP probes",
    ),
    _Brought("--http2-prior-knowledge --h2 -2", "--http2"),
    _Brought(
        "-0 --http1.0 --http1.1 --http1 --http3 --http3-only --quic",
        why="there is none: HTTP/1.1 is spoken, or HTTP/2 with --http2",
    ),
    _Brought(
        "--tlsv1 --tlsv1.2 --tlsv1.3 --tls-max --tls-min --tls-version -1",
        "--tls",
        "there is none: client and venue agree on the version",
    ),
    _Brought(
        "-x --proxy --socks5 --preproxy",
        why="there is none: a proxy's connections are not those to the venue",
    ),
    _Brought(
        "--resolve --connect-to --dns-servers -4 -6 --ipv4 --ipv6 --interface",
        why="there is none: the system chooses one; a name in the hosts file has one",
    ),
    _Brought(
        "-L --location --follow --max-redirs --max-redirects",
        why="there is none: a redirect is an answer, and is not followed",
    ),
    _Brought(
        "--retry --retries --retry-delay",
        why="there is none: a request that failed is counted, and not sent again",
    ),
)


def instead_of(mistyped: Any) -> str:
    """Return what to type in place of an option that is not known; empty if unclear.

    Args:
        mistyped: What Typer raised of it; its context, if any, has the command.
    """
    known = {
        name
        for param in (mistyped.ctx.command.params if mistyped.ctx else ())
        for name in (*param.opts, *param.secondary_opts)
    }
    name = mistyped.option_name
    found = list(_brought(name, known)) or get_close_matches(name, known, 3, _CLOSE)
    if not found or found[0] not in known:
        return "".join(found[:1])
    return f"did you mean {' or '.join(sorted(found))}?"


def _brought(name: str, known: Iterable[str]) -> Iterator[str]:
    """Yield our option for one of another tool, or why there is none."""
    for brought in _BROUGHT:
        if name in brought.words.split():
            ours = [each for each in brought.ours.split() if each in known]
            yield from ours or filter(None, [brought.why])
