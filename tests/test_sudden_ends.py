"""Whatever ends a command, and whenever: its file loads, and nothing else is left."""

import json
import signal
import sys
from pathlib import Path

import pytest

from tests.support.command import PATIENCE_S, started
from tests.support.sudden import (
    LINK,
    Disturbance,
    Traces,
    disturb,
    drawn,
    eventually,
    marked,
)
from vestbench.studies.registry import load_run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")

# Signals that end a run and keep what it has; `nox -s faults` draws 200 disturbances.
SEEDS = [seed for seed in range(20) if drawn(seed).number is not signal.SIGKILL][:5]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_run_that_is_interrupted_at_any_moment_leaves_a_file_that_loads(
    seed: int, tmp_path: Path
) -> None:
    disturb(drawn(seed, rtts=("0ms",)), tmp_path)


MEASURING = "error: the measuring process was killed by SIGKILL"


@pytest.mark.parametrize(
    ("whom", "rtt", "code", "why"),
    [
        ("", "2ms", -signal.SIGKILL, ""),
        ("workers.worker", "0ms", 70, MEASURING),
        ("simulator.exchange", "0ms", 70, "error: the simulated exchange was killed"),
        ("simulator.exchange", "2ms", 70, "error: the simulated exchange (process"),
        (
            LINK,
            "2ms",
            70,
            "error: the forwarder was killed|error: the relay was killed",
        ),
        # The lab takes the worker along: whichever is seen first is said.
        (
            "vestbench-lab",
            "2ms",
            70,
            f"{MEASURING}|error: the lab process was killed",
        ),
    ],
    ids=["command", "worker", "exchange", "exchange on a link", "forwarder", "lab"],
)
def test_of_a_run_that_loses_a_process_nothing_is_left_but_what_it_measured(
    whom: str,
    rtt: str,
    code: int,
    why: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # What a request waits for an answer that a dead link does not carry any more.
    monkeypatch.setenv("VESTBENCH_POOL_REQUEST_TIMEOUT", "1s")
    what = Disturbance(
        number=signal.SIGKILL,
        whom=whom,
        since="measuring",
        after_s=0.0,
        again_s=None,
        rtt=rtt,
        seed=0,
        requests=50_000,  # more than it comes to
    )

    status, errors = disturb(what, tmp_path)

    assert status == code, errors
    if why:
        assert errors.count("error: ") == 1, errors
        assert errors.splitlines()[-1].startswith(tuple(why.split("|"))), errors
    (left,) = (tmp_path / "results").glob("run.toml*")
    assert load_run(left).samples
    others = {path.name for path in left.parent.iterdir()} - {left.name}
    assert others <= {"run.csv"}  # no beginning of it, as nothing was written yet


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda n: n.name
)
def test_serve_leaves_no_process_no_port_and_no_file(
    number: signal.Signals, tmp_path: Path
) -> None:
    mark = f"TMPDIR={tmp_path}"
    traces = Traces()
    with started("serve", "--port", "0", "--json", TMPDIR=str(tmp_path)) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        traces.look(mark)
        assert Path(ready["ca_file"]).parent == tmp_path
        process.send_signal(number)
        process.communicate(timeout=PATIENCE_S)

    assert process.returncode == (-9 if number is signal.SIGKILL else 0)
    assert traces.ports == {int(ready["base_url"].split(":")[2].split("/")[0])}
    assert eventually(lambda: not list(marked(mark)))
    assert not list(tmp_path.iterdir())
