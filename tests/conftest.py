"""What holds for every test: a clean environment, and no connection to the outside."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from functools import lru_cache
from ipaddress import ip_address, ip_network
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# How long drawing examples takes is the machine's affair, not a property's.
settings.register_profile("any machine", suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

# Whatever changes colours, widths, routes or settings, here or in a child.
_NAMES = {
    "NO_COLOR",
    "FORCE_COLOR",
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "COLORTERM",
    "PY_COLORS",
    "GITHUB_ACTIONS",  # Typer takes it for a terminal
    "TTY_COMPATIBLE",
    "TTY_INTERACTIVE",
    "COLUMNS",
    "LINES",
    "PYTHONUNBUFFERED",  # what cannot be written may only show when a buffer is emptied
}
_PREFIXES = ("VEST_", "VESTBENCH_", "XDG_")

# Loopback, and the addresses of emulated links.
_ALLOWED = tuple(map(ip_network, ("127.0.0.0/8", "::1/128", "10.98.0.0/15")))

_homes = count()

GUARD = Path(__file__).parent / "guard"


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("homes")


@pytest.fixture(autouse=True)
def clean_environment(homes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what the machine's user has set, and give each test its own home."""
    for name in tuple(os.environ):
        upper = name.upper()
        proxy = upper.endswith("_PROXY")
        if proxy or upper in _NAMES or upper.startswith(_PREFIXES):
            monkeypatch.delenv(name)
    home = homes / str(next(_homes))
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    # Processes that a test starts are kept from the outside as well.
    guard = [str(GUARD), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(guard))


@lru_cache(maxsize=256)
def _is_outside(host: str) -> bool:
    if host in ("", "localhost"):
        return False
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return True  # a name, to be resolved somewhere
    address = getattr(address, "ipv4_mapped", None) or address
    return not any(address in network for network in _ALLOWED)


def _guarded(connect: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(self: socket.socket, address: Any) -> Any:
        inet = self.family in (socket.AF_INET, socket.AF_INET6)
        if inet and _is_outside(str(address[0])):
            # No OSError: the code under test must not take it for a failed request.
            pytest.fail(f"a test tried to connect to {address[0]}")
        return connect(self, address)

    return guarded


@pytest.fixture(scope="session", autouse=True)
def usual_signals() -> None:
    """Take away what `nohup` has set: what a process ignores, its children ignore."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session", autouse=True)
def no_outside() -> Iterator[None]:
    """Fail whatever in this process connects to the network outside this machine."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))
        yield


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder of the test's own, in which nothing is."""
    monkeypatch.chdir(tmp_path)
