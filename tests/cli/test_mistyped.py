"""What is said of an option that a command does not have."""

from __future__ import annotations

import pytest

from tests.support.command import vestbench
from vestbench.cli import mistyped
from vestbench.cli.commands import COMMANDS, load


def said(*words: str) -> str:
    result = vestbench(*words)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    before, semicolon, advice = line.partition("; ")
    assert before.startswith("error: no such option: ")
    assert semicolon or "(see " in before
    return advice.partition(" (see ")[0]


@pytest.mark.parametrize(
    ("words", "ours"),
    [
        ("compare -n 4", "--max-rounds"),
        ("warmup -n 4", "--rounds"),
        ("bench --iterations 4", "--requests"),
        ("bench --vus 4", "--concurrency"),
        ("compare --max-time 4", "--timeout"),
        ("bench --no-keepalive", "--unpooled"),
        ("bench --url https://a.example", "--venue"),
        ("compare --tlsv1.2", "--tls"),
        ("bench --export-json a.json", "--json-file"),
        ("compare --token abc", "--keys"),
    ],
)
def test_an_option_of_another_tool_is_answered_with_ours(words: str, ours: str) -> None:
    assert said(*words.split()) == f"did you mean {ours}?"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("bench -k", "certificates are always checked"),
        ("compare --insecure", "certificates are always checked"),
        ("connect --cacert ca.pem", "SSL_CERT_FILE"),
        ("bench -d {}", "--endpoint chooses what is sent"),
        ("bench --method POST", "--endpoint chooses what is sent"),
        ("bench -H a:b", "the venue chooses the headers"),
        ("compare -c 8", "for bench alone, with --concurrency"),
        ("warmup -z 10s", "a run lasts as long as"),
        ("compare --proxy a", "a proxy's connections are not those to the venue"),
        ("bench --retry 3", "counted, and not sent again"),
    ],
)
def test_an_option_that_vestbench_has_not_is_answered_with_why(
    words: str, why: str
) -> None:
    assert why in said(*words.split())
    assert "did you mean" not in said(*words.split())


def test_only_a_close_spelling_is_taken_for_a_slip() -> None:
    assert said("bench", "--requets", "3") == "did you mean --requests?"
    assert said("bench", "--min-savng", "3ms") == "did you mean --min-saving?"
    assert said("bench", "--alert", "3") == ""  # 0.77 of --assert


def test_no_option_of_ours_is_in_the_table_where_it_would_never_be_asked() -> None:
    known = {
        name
        for command in set(COMMANDS) - {"keys"}
        for param in load(command).params
        for name in (*param.opts, *param.secondary_opts)
    }
    for brought in mistyped._BROUGHT:
        assert brought.ours or brought.why
        assert set(brought.ours.split()) <= known
