"""What `doctor` is told about this machine, and what other machines would be told."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from tests.support import paths
from vestbench.model.simulated import MachineReport
from vestbench.simulator.link.report import ENGINES
from vestbench.simulator.probe import PROBE_RTT_MS, probe

ROOT = str(paths.ROOT)


@pytest.fixture(scope="module")
def report() -> MachineReport:
    """The report that a thread of a threaded process gets."""
    reports: list[MachineReport] = []
    worker = threading.Thread(target=lambda: reports.append(probe()))
    worker.start()
    worker.join()
    return reports[0]


def test_each_engine_is_either_measured_or_refused(report: MachineReport) -> None:
    assert [found.engine for found in report.engines] == list(ENGINES)
    for found in report.engines:
        if found.refusal is None:
            assert found.setup_ms is not None
            assert (found.kernel_rtt_ms is None) == (found.engine == "relay")
        else:
            assert found.refusal.engine == found.engine
            assert found.refusal.step
            assert found.refusal.code


def test_a_measured_engine_is_not_faster_than_its_link(report: MachineReport) -> None:
    for found in report.engines:
        if found.kernel_rtt_ms is not None:
            assert found.kernel_rtt_ms >= PROBE_RTT_MS - 0.5


def test_auto_uses_the_first_engine_that_works(report: MachineReport) -> None:
    working = [found.engine for found in report.engines if not found.refusal]

    assert report.use == working[0]
    assert working[-1] == "relay"


def test_facts_of_the_machine_are_plausible(report: MachineReport) -> None:
    assert report.platform == sys.platform
    assert report.python.startswith("3.")
    assert report.cpu_count is None or report.cpu_count >= 1
    assert report.sleep_overshoot_us > 0
    assert 0 < report.clock_resolution_ns <= 1e6
    if report.steal_percent is not None:
        assert 0 <= report.steal_percent <= 100


def test_another_platform_is_told_to_use_the_relay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    found = probe()

    codes = [engine.refusal and engine.refusal.code for engine in found.engines]
    assert codes == ["not-linux", "not-linux", None]
    assert found.use == "relay"


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_all_modules_import_where_linux_modules_are_missing(platform: str) -> None:
    script = f"""
import sys
import asyncio, threading, subprocess, pathlib, statistics, signal, tempfile, shutil
for name in ("fcntl", "ctypes", "resource", "pwd", "grp"):
    sys.modules[name] = None
sys.platform = {platform!r}
subprocess.CREATE_NEW_PROCESS_GROUP = 0x200
import socket
for name in dir(socket):
    if name.startswith(("AF_PACKET", "AF_NETLINK", "AF_UNIX", "MSG_", "recv_fds")):
        delattr(socket, name)
for name in ("SIGKILL", "SIGQUIT", "SIGHUP", "SIGCHLD", "SIGPIPE"):
    delattr(signal, name)
sys.path.append({ROOT!r})
import vestbench.simulator.probe, vestbench.simulator.link.relay
import vestbench.simulator.venue, vestbench.simulator.exchange
"""
    command = [sys.executable, "-I", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_the_lab_imports_no_more_than_it_needs() -> None:
    # Each of these takes 4 to 15 ms of the time until the link is ready.
    script = f"""
import sys
sys.path.append({ROOT!r})
import vestbench.simulator.lab, vestbench.simulator.link.devices
import vestbench.simulator.link.forwarder, vestbench.simulator.link.relay
names = "typing", "dataclasses", "subprocess", "inspect", "vestbench.model.run", "ssl"
print(*(name for name in names if name in sys.modules))
"""
    command = [sys.executable, "-I", "-S", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == ""
