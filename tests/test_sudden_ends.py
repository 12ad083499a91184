"""Whatever ends a command, and whenever: its file loads, and nothing else is left."""

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.support.command import PATIENCE_S, started
from tests.support.counted import HOW, Ending, end
from tests.support.machine import need_link
from tests.support.sudden import (
    LINK,
    Disturbance,
    Traces,
    disturb,
    drawn,
    eventually,
    marked,
    victim,
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


@pytest.mark.parametrize("how", [how for how in HOW if how != "SIGKILL"])
def test_of_what_the_exchange_counted_nothing_is_lost_but_what_was_on_its_way(
    how: str, tmp_path: Path
) -> None:
    lost = end(Ending(how=how, interval="50ms", after_s=0.3, seed=0), tmp_path)

    assert lost <= 1


def killed(what: str) -> str:
    return f"error: the {what} was killed by SIGKILL"


@pytest.mark.parametrize(
    ("whom", "link", "why"),
    [
        ("workers.worker", "", killed("measuring process")),
        ("simulator.exchange", "", killed("simulated exchange")),
        *(
            (whom, link, why)
            for whom, why in (
                ("workers.worker", killed("measuring process")),
                ("simulator.exchange", killed("simulated exchange")),
                (LINK, killed("{}")),
                ("vestbench-lab", killed("lab process")),
            )
            for link in ("packet", "tun", "relay")
            if (whom, link) != ("vestbench-lab", "relay")  # which needs no lab
        ),
    ],
)
def test_of_a_run_that_loses_a_process_nothing_is_left_but_what_it_measured(
    whom: str,
    link: str,
    why: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if link:
        need_link(link)
    # For an answer that a dead link does not carry any more, nobody waits so long.
    for name in ("REQUEST_TIMEOUT", "CONNECT_TIMEOUT", "TCP_KEEPALIVE"):
        monkeypatch.setenv(f"VESTBENCH_POOL_{name}", f"{10 * PATIENCE_S:g}s")
    what = Disturbance(
        number=signal.SIGKILL,
        whom=whom,
        since="measuring",
        after_s=0.0,
        again_s=None,
        rtt="2ms" if link else "0ms",
        link=link,
        gate=True,  # which 70 neither meets nor misses
        seed=0,
        requests=50_000,  # more than it comes to
    )

    status, errors = disturb(what, tmp_path)

    assert status == 70, errors
    assert errors.count("error: ") == 1, errors
    kind = "relay" if link == "relay" else "forwarder"
    assert errors.splitlines()[-1].startswith(why.format(kind)), errors
    (left,) = (tmp_path / "results").glob("run.toml*")
    stored = load_run(left)
    assert stored.samples
    # What no packet link carries any more is not held against the venue.
    assert whom != LINK or link == "relay" or not stored.failures
    others = {path.name for path in left.parent.iterdir()} - {left.name}
    assert others <= {"run.csv"}  # no beginning of it, as nothing was written yet


@pytest.mark.parametrize(
    ("whom", "rtt", "code"),
    [("simulator.exchange", "0ms", 70), (LINK, "2ms", 70), ("", "0ms", 143)],
)
def test_an_end_in_a_pause_of_many_minutes_is_an_end_at_once(
    whom: str, rtt: str, code: int, tmp_path: Path
) -> None:
    file = tmp_path / "run.toml"
    words = ("bench", "-n", "50", "--interval", "1000s", "--rtt", rtt, "-o", str(file))
    mark = f"TMPDIR={tmp_path}"
    with started(*words, TMPDIR=str(tmp_path)) as process:
        partial = Path(f"{file}.partial")
        assert eventually(
            lambda: partial.exists() and "[conditions]" in partial.read_text()
        )
        number = signal.SIGKILL if whom else signal.SIGHUP
        os.kill(victim(process.pid, whom, mark) or 0, number)
        _, errors = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == code, errors


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda n: n.name
)
def test_serve_leaves_no_process_no_port_and_no_file(
    number: signal.Signals, tmp_path: Path
) -> None:
    ends = {signal.SIGINT: 0, signal.SIGTERM: 143, signal.SIGKILL: -9}
    mark = f"TMPDIR={tmp_path}"
    traces = Traces()
    with started("serve", "--port", "0", "--json", TMPDIR=str(tmp_path)) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        traces.look(mark)
        assert Path(ready["ca_file"]).parent == tmp_path
        process.send_signal(number)
        process.communicate(timeout=PATIENCE_S)

    assert process.returncode == ends[number]
    assert traces.ports == {int(ready["base_url"].split(":")[2].split("/")[0])}
    assert eventually(lambda: not list(marked(mark)))
    assert not list(tmp_path.iterdir())
