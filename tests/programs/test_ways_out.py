"""Every way out of the inside, tried by a program that knows them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.support.command import PATIENCE_S
from tests.support.inside import NOBODY, command, environment

pytestmark = pytest.mark.link

USERS = {"as started": (), "as an ordinary user": NOBODY}
numbers = count()

PROBE = """
import ctypes, json, os, socket, subprocess, sys
wanted = json.loads(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
found = {}

def tried(name, action):
    try:
        found[name] = repr(action())
    except Exception as error:
        found[name] = type(error).__name__

def connected(family, address):
    with socket.socket(family) as handle:
        handle.settimeout(3)
        handle.connect(address)
        handle.sendall(b"out")
        return handle.recv(3)

def call(name, *arguments):
    if getattr(libc, name)(*arguments):
        raise OSError(ctypes.get_errno(), name)

def done(*words):
    return subprocess.run(words, capture_output=True, check=True).stdout

def status():
    with open("/proc/self/status") as file:
        return {k: v.strip() for k, _, v in (line.partition(":") for line in file)}

found["fds"] = sorted(os.listdir("/proc/self/fd"))[:-1]  # the last one lists them
found["status"] = status()
tried("loopback", lambda: connected(socket.AF_INET, ("127.0.0.1", wanted["port"])))
tried("abstract", lambda: connected(socket.AF_UNIX, "\\0" + wanted["name"]))
for each in wanted["sockets"]:
    tried(each, lambda: connected(socket.AF_UNIX, each))
for each in wanted["addresses"]:
    tried(each, lambda: connected(socket.AF_INET, (each, wanted["port"])))
tried("kill", lambda: os.kill(wanted["pid"], 0))
tried("ptrace", lambda: call("ptrace", 16, wanted["pid"], 0, 0))
found["processes"] = len([n for n in os.listdir("/proc") if n.isdigit()])
tried("nsenter", lambda: done("nsenter", "-t", "1", "-n", "true"))
tried("mount", lambda: call("mount", b"x", b"/mnt", b"tmpfs", 0, None))
tried("umount", lambda: call("umount2", b"/run", 2))
tried("umount again", lambda: done("unshare", "-Urm", "umount", "/run"))
tried("sysctl", lambda: open("/proc/sys/kernel/core_pattern", "w"))
tried("root", lambda: os.setuid(0 if os.getuid() else 1))
tried("raw", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
print(json.dumps(found))
"""


@pytest.fixture
def outside() -> Iterator[dict[str, Any]]:
    """Servers outside, which note each of their clients."""
    name = f"vestbench-test-{os.getpid()}-{next(numbers)}"
    with ExitStack() as stack:
        # Where everybody is let to, unlike the folders of tests.
        folder = Path(stack.enter_context(TemporaryDirectory(dir="/tmp")))
        folder.chmod(0o755)
        port = stack.enter_context(socket.create_server(("0.0.0.0", 0)))
        servers = [port]
        places = [str(folder / "s")]
        if os.access("/run", os.W_OK):
            places.append(f"/run/{name}")
        for place in (*places, f"\0{name}"):
            server = stack.enter_context(socket.socket(socket.AF_UNIX))
            server.bind(place)
            server.listen()
            servers.append(server)
            if place[0] != "\0":
                os.chmod(place, 0o777)  # noqa: S103 - for everybody
                stack.callback(os.unlink, place)
        clients: list[str] = []
        for server in servers:
            threading.Thread(target=_note, args=(server, clients), daemon=True).start()
        yield {
            "port": port.getsockname()[1],
            "name": name,
            "sockets": places,
            "addresses": _own_addresses(),
            "pid": os.getpid(),
            "clients": clients,
            "runtime": str(folder),
        }


def _note(server: socket.socket, clients: list[str]) -> None:
    while True:
        try:
            client, _ = server.accept()
        except OSError:
            return
        clients.append(str(server))
        client.close()


def _own_addresses() -> list[str]:
    """Return the address that this machine has in its network, if it has one."""
    # No packet is sent; it shows which address one would be from.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        try:
            handle.connect(("10.98.0.9", 9))
        except OSError:
            return []  # no network
        return [handle.getsockname()[0]]


@pytest.mark.parametrize("runner", USERS.values(), ids=USERS)
def test_no_way_leads_out(outside: dict[str, Any], runner: tuple[str, ...]) -> None:
    if runner and os.getuid() != 0:
        pytest.skip("this is an ordinary user already")
    clients = outside.pop("clients")
    env = environment(XDG_RUNTIME_DIR=outside["runtime"])
    leaking, other = os.pipe()
    os.set_inheritable(other, True)

    done = subprocess.run(
        [
            *command("--rtt", "0ms", "--idle-timeout", "1s", runner=runner),
            *("--", "/usr/bin/python3", "-c", PROBE, json.dumps(outside)),
        ],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=env,
        cwd="/",
        pass_fds=(other,),
        timeout=PATIENCE_S,
    )
    os.close(leaking)
    os.close(other)

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert clients == []
    status = found.pop("status")
    assert found.pop("fds") == ["0", "1", "2"]
    assert found.pop("processes") <= 3
    nothing = 16 * "0"
    assert [status[f"Cap{kind}"] for kind in ("Eff", "Prm", "Bnd", "Amb", "Inh")] == (
        5 * [nothing]
    )
    assert status["NoNewPrivs"] == "1"
    for address in outside["addresses"]:  # leads to the exchange, which knows no "out"
        assert found.pop(address) != "b'out'"
    for name in outside["sockets"]:
        assert found.pop(name) == "FileNotFoundError"
    assert found == {
        "loopback": "ConnectionRefusedError",
        "abstract": "ConnectionRefusedError",
        "kill": "ProcessLookupError",
        "ptrace": "ProcessLookupError",
        "nsenter": "CalledProcessError",
        "mount": "PermissionError",
        "umount": "PermissionError",
        "umount again": "CalledProcessError",
        "sysctl": "OSError" if found["sysctl"] == "OSError" else "PermissionError",
        "root": "PermissionError" if found["root"] == "PermissionError" else "OSError",
        "raw": "PermissionError",
    }
