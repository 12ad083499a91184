"""What a program must not see of this machine, and what it sees in place of it."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

# Where services have their sockets: Docker, D-Bus, systemd, nscd, SSSD, LXD, and those
# of the user's own session.
_HOMES = (
    *("/run", "/var/run", "/var/lib/sss/pipes", "/var/lib/lxd"),
    *("/var/snap/lxd/common/lxd", "/tmp/.X11-unix", "/tmp/.ICE-unix"),  # noqa: S108
)
_OF_THE_USER = (".docker/run", ".docker/desktop", ".orbstack/run", ".colima", ".lima")
# What a program needs of these: NixOS has its programs there, containers their secrets.
_KEPT = ("/run/current-system", "/run/opengl-driver", "/run/secrets")
VARIABLES = ("DOCKER_HOST", "DBUS_SESSION_BUS_ADDRESS", "DBUS_SYSTEM_BUS_ADDRESS")

_RESOLV, _HOSTS, _SWITCH = "resolv.conf", "hosts", "nsswitch.conf"


def hidden(env: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Return the folders that are empty inside, and what stays of them.

    Args:
        env: The program's, whose variables name more of them.
    """
    found = [*_HOMES, env.get("XDG_RUNTIME_DIR", "")]
    home = env.get("HOME", "")
    if home:
        found += [os.path.join(home, folder) for folder in _OF_THE_USER]
    for name in VARIABLES:
        found += _folders_in(env.get(name, ""))
    real = (os.path.realpath(path) for path in found if os.path.isabs(path))
    # The outer one of two hides the inner one too; a whole disk is nobody's home.
    folders = sorted(path for path in set(real) if path not in ("/", "/tmp", home))  # noqa: S108
    outer: list[str] = []
    for path in folders:
        if not any(path.startswith(f"{each}/") for each in outer):
            outer.append(path)
    return outer, list(_KEPT)


def _folders_in(address: str) -> list[str]:
    """Return the folders of the sockets in an address: unix:///run/x, unix:path=/x."""
    parts = address.replace("unix://", "path=").replace("unix:", "").split(",")
    paths = (part.partition("path=")[2].partition(";")[0] for part in parts)
    return [os.path.dirname(path) for path in paths if path.startswith("/")]


def name_files() -> tuple[dict[str, bytes], dict[str, str]]:
    """Return the files by which names are looked up inside, and where each belongs."""
    host = socket.gethostname()
    files = {
        _RESOLV: b"nameserver 127.0.0.1\n",
        _HOSTS: f"127.0.0.1 localhost {host}\n".encode(),
        _SWITCH: _switch(),
    }
    return files, {f"/etc/{name}": name for name in files}


def _switch() -> bytes:
    """Return this machine's nsswitch.conf, with hosts from files and DNS alone."""
    try:
        with open("/etc/nsswitch.conf", encoding="utf-8", errors="replace") as file:
            lines = [line for line in file if not line.lstrip().startswith("hosts:")]
    except OSError:
        lines = []
    return "".join([*lines, "hosts: files dns\n"]).encode()
