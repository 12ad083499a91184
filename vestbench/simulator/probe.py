"""What this machine can do for a measurement; found out by doing it.

Each link engine is started in a lab of its own and measured, so the answer is that of
the kernel and its policies rather than of files that describe them.
"""

from __future__ import annotations

import os
import platform
import stat
import sys
import time
from statistics import median

from vestbench.errors import LabError
from vestbench.model.simulated import (
    EngineReport,
    LinkSpec,
    MachineReport,
    Refusal,
)
from vestbench.simulator.link.machine import TUN_PATH, congestion_control, read_text
from vestbench.simulator.link.report import ENGINES, NoLinkError
from vestbench.simulator.links import open_link

PROBE_RTT_MS = 20.0
SLEEPS = 20


def probe() -> MachineReport:
    """Find out what this machine can do; takes about half a second.

    Nothing outside of the labs is changed, and any thread may call it.
    """
    before = _cpu_times()
    engines = tuple(_try_engine(engine) for engine in ENGINES)
    overshoot = _sleep_overshoot_us()
    after = _cpu_times()
    working = [report.engine for report in engines if report.refusal is None]
    slack = read_text("/proc/self/timerslack_ns")
    return MachineReport(
        platform=sys.platform,
        kernel=platform.release(),
        python=platform.python_version(),
        uid=_user(),
        engines=engines,
        use=working[0] if working else "",
        cpu_count=os.cpu_count(),
        load_average=_load_average(),
        steal_percent=_steal_percent(before, after),
        congestion_control=congestion_control(),
        tun_device=_describe_tun(),
        timer_slack_ns=int(slack) if slack.isdigit() else None,
        sleep_overshoot_us=overshoot,
        clock_resolution_ns=time.get_clock_info("perf_counter").resolution * 1e9,
    )


def _try_engine(engine: str) -> EngineReport:
    spec = LinkSpec(rtt_ms=PROBE_RTT_MS, engine=engine)
    start = time.perf_counter_ns()
    try:
        lab = open_link(spec)
    except NoLinkError as error:
        return EngineReport(engine=engine, refusal=error.refusals[0])
    setup_ms = (time.perf_counter_ns() - start) / 1e6
    try:
        rtts = lab.measure_rtt()
    except LabError as error:
        refusal = Refusal(
            engine=engine, step="measurement", code="link-died", hint=str(error)
        )
        return EngineReport(engine=engine, refusal=refusal)
    finally:
        report = lab.stop()
    return EngineReport(
        engine=engine,
        setup_ms=setup_ms,
        kernel_rtt_ms=median(rtts) if rtts else None,
        congestion_control=report.congestion_control,
    )


def _sleep_overshoot_us() -> float:
    found = []
    for _ in range(SLEEPS):
        start = time.perf_counter_ns()
        time.sleep(0.001)
        found.append((time.perf_counter_ns() - start) / 1e3 - 1_000)
    return median(found)


def _cpu_times() -> list[int]:
    """Return the counters of /proc/stat since boot: user, nice, …, steal as eighth."""
    words = read_text("/proc/stat").partition("\n")[0].split()
    return [int(word) for word in words[1:9]]


def _steal_percent(before: list[int], after: list[int]) -> float | None:
    spent = [late - early for early, late in zip(before, after, strict=True)]
    if len(spent) < 8 or not sum(spent):
        return None
    return 100 * spent[7] / sum(spent)


def _user() -> int | None:
    if sys.platform == "win32":
        return None
    return os.getuid()


def _load_average() -> float | None:
    if sys.platform == "win32":
        return None
    try:
        return os.getloadavg()[0]
    except OSError:
        return None


def _describe_tun() -> str:
    if sys.platform != "linux":
        return ""
    try:
        status = os.stat(TUN_PATH)
    except OSError:
        return ""
    return f"{stat.filemode(status.st_mode)} {status.st_uid}:{status.st_gid}"
