"""Whatever ends a command, and whenever: its file loads, and nothing else is left."""

import json
import signal
import sys
from pathlib import Path

import pytest

from tests.command import PATIENCE_S, started
from tests.sudden import Disturbance, Traces, disturb, drawn, eventually, marked

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")

# Of each sort of disturbance at least one; `nox -s faults` draws 200 more.
SEEDS = range(8)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_run_that_is_disturbed_at_any_moment_leaves_a_file_that_loads(
    seed: int, tmp_path: Path
) -> None:
    disturb(drawn(seed, rtts=("0ms",)), tmp_path)


@pytest.mark.parametrize("whom", ["", "simulator.lab"])
def test_a_killed_link_leaves_no_process_and_no_network(
    whom: str, tmp_path: Path
) -> None:
    what = Disturbance(
        number=signal.SIGKILL,
        whom=whom,
        since="measuring",
        after_s=0.0,
        again_s=None,
        rtt="2ms",
        seed=0,
    )
    disturb(what, tmp_path)


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
