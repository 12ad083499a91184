"""Which folders are empty inside."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vestbench.programs.homes import hidden, name_files


def masked(**env: str) -> list[str]:
    return hidden(env)[0]


def test_the_usual_homes_of_sockets_are_hidden() -> None:
    found = masked(HOME="/home/me")

    assert os.path.realpath("/run") in found
    assert os.path.realpath("/var/lib/sss/pipes") in found
    assert "/home/me/.docker/run" in found


@pytest.mark.parametrize(
    "env",
    [
        {"XDG_RUNTIME_DIR": "/srv/rt"},
        {"DOCKER_HOST": "unix:///srv/rt/docker.sock"},
        {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/srv/rt/bus,guid=1f"},
        {"DBUS_SYSTEM_BUS_ADDRESS": "unix:abstract=/x;unix:path=/srv/rt/bus"},
    ],
    ids=lambda env: next(iter(env)),
)
def test_variables_name_more_of_them(env: dict[str, str]) -> None:
    assert "/srv/rt" in masked(**env)


@pytest.mark.parametrize("path", ["/", "/tmp", "/home/me", "relative"])  # noqa: S108
def test_what_holds_everything_is_not_hidden(path: str) -> None:
    assert path not in masked(XDG_RUNTIME_DIR=path, HOME="/home/me")


def test_a_folder_in_a_hidden_one_is_hidden_already(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)

    found = masked(XDG_RUNTIME_DIR=str(tmp_path / "a"), DOCKER_HOST=f"unix://{inner}/s")

    assert str(tmp_path / "a") in found
    assert str(inner) not in found


def test_names_are_looked_up_in_files_and_dns_alone() -> None:
    files, places = name_files()

    assert places["/etc/resolv.conf"] == "resolv.conf"
    assert files["resolv.conf"] == b"nameserver 127.0.0.1\n"
    lines = files["nsswitch.conf"].decode().splitlines()
    assert [line for line in lines if line.startswith("hosts:")] == ["hosts: files dns"]
    assert files["hosts"].startswith(b"127.0.0.1 localhost ")
