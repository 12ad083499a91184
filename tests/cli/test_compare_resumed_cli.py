"""`vestbench compare` over real sockets: undecided runs, and going on."""

import re
from pathlib import Path

import pytest

from tests.support.command import QUICK, vestbench
from tests.support.compare_commands import (
    EASY,
    TRIES,
    Shown,
    compare,
    flat,
    only_pair,
    read_run,
)
from tests.support.servers import ScriptedServer
from vestbench.model.verdict import Verdict
from vestbench.studies.compare.rounds import rounds_of

pytestmark = pytest.mark.usefixtures("empty_folder")


# Two arms that do the same over a link with much jitter: the median saving is 0, so
# neither side of a target beside it gets 11 of 12 rounds, but for 0.6 % of runs.
_NOISY = ("--rtt", "3ms", "--jitter", "3ms", "--processing", "0ms")
_UNDECIDED = ("pooled", "pooled", *_NOISY, "--min-saving", "0.1ms")


@pytest.mark.link
def test_an_undecided_run_says_so_and_goes_on_where_it_was() -> None:
    for seed in range(1, 1 + TRIES):
        words = ("--max-rounds", "12", "--seed", str(seed), "-o", "a.toml")
        first = compare(*_UNDECIDED, *words)
        if first.exit_code == 3:
            break
    before, _ = read_run("a.toml")

    assert first.exit_code == 3, first.output
    shown = flat(first.stdout)
    assert "INCONCLUSIVE against ≥ 0.1 ms after 12 rounds" in shown
    assert "too noisy to tell" in shown
    assert re.search(
        r"about \d+ more rounds? would settle it if the trend holds \(--resume\)"
        r"|at this rate [\w ]+ settle it",
        shown,
    )

    words = ("--max-rounds", "16", "--resume", "a.toml", "-o", "b.toml")
    again = compare(*_UNDECIDED, *words)
    after, summary = read_run("b.toml")

    assert again.exit_code in (0, 1, 3), again.output
    rounds = rounds_of(after)
    assert 12 < len(rounds) <= 16
    assert only_pair(summary).rounds == len(rounds)
    assert f"after {len(rounds)} rounds" in again.stdout
    # What there was comes first, unchanged, and time goes on after it.
    count = len(before.samples)
    assert after.samples[:count] == before.samples
    end = max(sample.start_ns + sample.latency_ns for sample in before.samples)
    assert all(sample.start_ns >= end for sample in after.samples[count:])
    assert [found.number for found in rounds] == list(range(len(rounds)))
    assert (summary.target, summary.percent_target) == (0.1, False)
    assert after.plan.identity == before.plan.identity
    assert vestbench("report", "b.toml").stdout == again.stdout


_undecided: list[Path] = []


@pytest.fixture
def undecided(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run without a verdict, because it was too short to have one; made once.

    Its saving is beyond doubt, so that any look would have decided it.
    """
    if not _undecided:
        words = ("--min-duration", "60s", "--max-rounds", "12", *EASY, *QUICK)
        for _ in range(TRIES):
            path = tmp_path_factory.mktemp("compare") / "undecided.toml"
            result = compare("pooled", "unpooled", *words, "-o", str(path))
            assert result.exit_code == 3, result.output
            if only_pair(read_run(str(path))[1]).summary.votes_pass >= 11:
                break
        _undecided.append(path)
    return _undecided[0]


def test_there_is_no_verdict_before_the_minimum_duration(undecided: Path) -> None:
    run, summary = read_run(str(undecided))

    assert len(rounds_of(run)) == 12
    assert only_pair(summary).acceptance is Verdict.INCONCLUSIVE
    assert only_pair(summary).summary.votes_pass >= 11
    assert "INCONCLUSIVE" in vestbench("report", str(undecided)).stdout


def test_an_undecided_run_is_continued_to_its_decision(undecided: Path) -> None:
    words = ("--resume", str(undecided), *EASY, *QUICK, "-o", "end.toml")
    result = compare("pooled", "unpooled", *words)

    assert result.exit_code == 0, result.output
    run, summary = read_run("end.toml")
    assert only_pair(summary).rounds == len(rounds_of(run)) >= 13
    assert run.plan.resumed == str(undecided)
    assert vestbench("report", "end.toml").stdout == result.stdout


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["pooled", "unpooled", "--min-saving", "20ms", *QUICK], "min_saving_ms"),
        (["unpooled", "pooled", *EASY, *QUICK], "differs in arms"),
        (["pooled", "unpooled", *EASY, *QUICK, "--vote", "pair"], "differs in vote"),
        (["pooled", "unpooled", *EASY, "--rtt", "0ms"], "differs in exchange"),
        (["pooled", "unpooled", *EASY], "differs in link, exchange"),
        (["pooled", "unpooled", *EASY, *QUICK, "--max-rounds", "12"], "has 12 rounds"),
    ],
    ids=["target", "arms", "vote", "exchange", "link", "max-rounds"],
)
def test_another_experiment_is_no_continuation(
    words: list[str], hint: str, undecided: Path
) -> None:
    result = compare(*words, "--resume", str(undecided), "-o", "refused.toml")

    assert result.exit_code == 2, result.output
    assert hint in result.stderr
    assert result.stderr.count("\n") == 1
    assert not list(Path().glob("refused*"))


def test_another_query_of_a_url_is_another_experiment() -> None:
    with ScriptedServer() as server:
        words = ("--venue", f"{server.url}?symbol=A", "--rate", "10000")
        never = ("--max-rounds", "12", "--min-duration", "60s")
        first = compare("pooled", "unpooled", *words, *never, "-o", "a.toml")
        words = ("--venue", f"{server.url}?symbol=B", "--rate", "10000")
        again = compare("pooled", "unpooled", *words, "--resume", "a.toml")

    assert first.exit_code == 3, first.output
    assert again.exit_code == 2, again.output
    assert "differs in url_digest" in again.stderr
    assert "symbol" not in Path("a.toml").read_text()


def test_a_decided_run_is_not_continued(passed: Shown) -> None:
    words = ("--resume", str(passed.path), *EASY, *QUICK)
    result = compare("pooled", "unpooled", *words)

    assert result.exit_code == 2, result.output
    assert f"{passed.path} is decided: PASS" in result.stderr
