"""Which engine of the link a machine gets, and what is said where it is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.support.labs import PREAMBLE, ROOT, SECCOMP, needs_seccomp, run_script
from tests.support.machine import demand, need_link
from vestbench.errors import UsageError
from vestbench.model.simulated import LinkSpec
from vestbench.simulator.link.report import NoLinkError
from vestbench.simulator.links import open_link


@needs_seccomp
def test_a_forbidden_namespace_leads_to_the_relay_and_is_explained() -> None:
    said = run_script(
        SECCOMP
        + "with open_link(LinkSpec(rtt_ms=2)) as lab:\n"
        + "    codes = [(r.engine, r.step, r.code, r.errno) for r in lab.refusals]\n"
        + "    print(json.dumps([lab.engine, codes, lab.stop().disturbed]))\n"
    )

    why = ["unshare", "blocked-by-seccomp", "EPERM"]
    assert json.loads(said) == ["relay", [["packet", *why], ["tun", *why]], ""]


@needs_seccomp
def test_a_forced_engine_that_is_refused_is_one_line() -> None:
    said = run_script(
        SECCOMP
        + "try:\n"
        + "    open_link(LinkSpec(rtt_ms=2, engine='packet'))\n"
        + "except LabError as error:\n"
        + "    print(error)\n"
    )

    assert said.startswith(
        "no link can be emulated here: packet: unshare: blocked-by-seccomp (EPERM), "
    )
    assert said.count("\n") == 1


@needs_seccomp
def test_loss_is_refused_where_only_the_relay_works() -> None:
    said = run_script(
        SECCOMP
        + "try:\n"
        + "    open_link(LinkSpec(rtt_ms=2, loss=0.01))\n"
        + "except LabError as error:\n"
        + "    print(error)\n"
    )

    assert said.startswith("loss needs a packet link: packet: unshare: blocked-by-")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (LinkSpec(rtt_ms=-1), "a round trip of -1 ms"),
        (LinkSpec(rtt_ms=float("nan")), "a round trip of nan ms"),
        (LinkSpec(rtt_ms=1, loss=1), "a loss of 1"),
        (LinkSpec(rtt_ms=1, jitter_ms=-2), "a jitter of -2 ms"),
        (LinkSpec(rtt_ms=1, engine="netem"), "no link engine is called 'netem'"),
    ],
    ids=["rtt", "nan", "loss", "jitter", "engine"],
)
def test_impossible_links_are_refused_before_anything_is_started(
    spec: LinkSpec, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        open_link(spec)


def test_other_platforms_use_the_relay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with open_link(LinkSpec(rtt_ms=2)) as lab:
        assert lab.engine == "relay"
        assert [refusal.code for refusal in lab.refusals] == ["not-linux"] * 2


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_where_there_are_no_namespaces_a_packet_link_names_what_works(
    platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    with pytest.raises(NoLinkError) as caught:
        open_link(LinkSpec(rtt_ms=2, engine="packet"))

    assert str(caught.value) == (
        "no link can be emulated here: packet: platform: not-linux, network namespaces "
        "are Linux's; --link relay and --rtt 0ms work on every system"
    )
    assert caught.value.exit_code == 2


def test_where_there_are_no_namespaces_no_link_loses_packets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(NoLinkError) as caught:
        open_link(LinkSpec(rtt_ms=2, loss=0.01))

    assert str(caught.value) == (
        "loss needs a packet link: packet: platform: not-linux; tun: platform: "
        "not-linux; relay: loss: loss-needs-packets, a relay cannot lose packets; "
        "leave the loss at 0"
    )


STARTS_ITSELF = (
    "import os, sys; assert sys.version_info >= (3, 11);"
    "assert os.access(sys.executable, os.X_OK);"
)


def nobody_runner() -> tuple[str, ...]:
    """Return what runs a Python as an ordinary user, if this machine can do it."""
    drop = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    prefix = drop if os.getuid() == 0 else ()
    importing = f"import sys; sys.path.append({ROOT!r}); import vestbench.model.request"
    for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        command = [*prefix, python, "-c", STARTS_ITSELF + importing]
        try:
            done = subprocess.run(command, capture_output=True, check=False, cwd="/")
        except OSError:
            continue
        if done.returncode == 0:
            return (*prefix, python)
    pytest.skip("no Python 3.11 or later that an ordinary user may run")


@pytest.mark.link
def test_an_ordinary_user_has_the_packet_engine() -> None:
    need_link("packet")
    script = PREAMBLE + (
        "with open_link(LinkSpec(rtt_ms=5)) as lab:\n"
        "    rtt = min(lab.measure_rtt(n=9))\n"
        "    status = lab.spawn(['true']).wait(10)\n"
        "    print(json.dumps([os.getuid(), lab.engine, status, rtt]))\n"
    )
    command = [*nobody_runner(), "-c", script, ROOT]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)
    assert done.returncode == 0, done.stderr
    user, engine, status, rtt = json.loads(done.stdout)

    assert user != 0
    assert (engine, status) == ("packet", 0)
    demand(abs(rtt - 5) <= 0.5, f"{rtt:.2f} ms at 5 ms")
