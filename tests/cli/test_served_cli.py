"""The simulated exchange that another shell serves, measured by every command."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import vestbench
from tests.support.loopback_venue import trust
from vestbench.errors import ExitCode
from vestbench.model.simulated import ExchangeSpec
from vestbench.simulator.exchange_process import ExchangeProcess
from vestbench.studies.registry import load_run

pytestmark = pytest.mark.usefixtures("empty_folder")

QUICK = ("--rate", "1000", "--quiet", "-o", "run.toml")
FEW = ("-n", "12", "--sessions", "3")
ENDPOINTS = ("ticker", "depth", "account", "nonce", "listen-key", "leverage")
SIGNED = ("order", "cancel")


@pytest.fixture
def served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ExchangeProcess]:
    with ExchangeProcess(ExchangeSpec(processing_ms=0.0)) as exchange:
        trust(monkeypatch, tmp_path, exchange.ca_pem)
        yield exchange


@pytest.mark.parametrize("endpoint", [*ENDPOINTS, *SIGNED])
def test_each_endpoint_is_measured_without_any_key(
    served: ExchangeProcess, endpoint: str
) -> None:
    where = ("--venue", f"sim@{served.base_url()}", "--endpoint", endpoint)

    result = vestbench("bench", *where, *FEW, *QUICK)

    assert result.exit_code == 0, result.output
    run = load_run(Path("run.toml"))
    assert (len(run.samples), len(run.failures)) == (12, 0)
    assert [sample.reused for sample in run.samples] == 3 * [False, *3 * [True]]
    assert run.conditions.venue == f"sim@{served.base_url()}"


@pytest.mark.parametrize(
    "words",
    [
        ("warmup", "--rounds", "1"),
        ("connect", "--rounds", "1"),
        ("compare", "pooled", "unpooled", "--max-rounds", "12"),
    ],
    ids=lambda words: words[0],
)
def test_each_command_measures_it(
    served: ExchangeProcess, words: tuple[str, ...]
) -> None:
    result = vestbench(*words, "--venue", f"sim@{served.base_url()}", *QUICK)

    verdicts = {ExitCode.OK, ExitCode.NOT_MET, ExitCode.INCONCLUSIVE}
    assert result.exit_code in verdicts, result.output
    run = load_run(Path("run.toml"))
    assert run.samples
    assert not run.failures


def test_its_public_endpoints_are_measured_by_their_url(
    served: ExchangeProcess,
) -> None:
    url = f"{served.base_url()}/ticker/latest"

    result = vestbench("bench", "--venue", url, *FEW, *QUICK)

    assert result.exit_code == 0, result.output


def test_keys_are_not_for_it(served: ExchangeProcess) -> None:
    where = ("--venue", f"sim@{served.base_url()}", "--endpoint", "account")

    result = vestbench("bench", *where, "--keys", "keys.toml", *FEW, *QUICK)

    assert result.exit_code == ExitCode.USAGE
    assert "--keys" in result.stderr
    assert served.counters().requests == 0


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/v2", "https://127.0.0.1/v2?key=secret", "", "127.0.0.1"]
)
def test_what_is_no_base_url_is_refused(url: str) -> None:
    result = vestbench("bench", "--venue", f"sim@{url}")

    assert result.exit_code == ExitCode.USAGE
    assert "such as https://127.0.0.1:8443/v2" in result.stderr
    assert "secret" not in result.stderr


def test_a_password_in_its_url_is_refused_and_not_repeated() -> None:
    result = vestbench("bench", "--venue", "sim@https://user:secret@127.0.0.1/v2")

    assert result.exit_code == ExitCode.USAGE
    assert "secret" not in result.stderr
