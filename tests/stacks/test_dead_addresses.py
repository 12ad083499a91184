"""Whole programs with a host file of their own, where an address is dead."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.addresses import (
    LINUX,
    NAME,
    silent,
)
from tests.support.servers import (
    ScriptedServer,
)

_UNSHARE = ("unshare", "--user", "--map-root-user", "--mount")


def can_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*_UNSHARE, "true"], capture_output=True).returncode == 0


needs_a_mount = pytest.mark.skipif(
    not can_mount(), reason="this user can have no mount namespace"
)


def with_hosts(
    folder: Path, lines: str, *words: str, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run Python with a host file of its own."""
    hosts = folder / "hosts"
    hosts.write_text(lines)
    script = 'mount --bind "$1" /etc/hosts && shift && exec "$@"'
    return subprocess.run(
        [*_UNSHARE, "sh", "-c", script, "sh", str(hosts), sys.executable, *words],
        capture_output=True,
        text=True,
        timeout=60.0,
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "COLUMNS": "400", **env},
    )


HOSTS = f"127.0.0.1 localhost\n127.0.0.1 {NAME}\n127.0.0.2 {NAME}\n"


@LINUX
@needs_a_mount
@pytest.mark.parametrize("stack", ["httpx", "httpx2", "reqwest"])
def test_a_dead_address_is_named_and_no_saving_rests_on_it(
    stack: str, tmp_path: Path
) -> None:
    with ScriptedServer() as server, silent("127.0.0.2", server.port):
        done = with_hosts(
            *(tmp_path, HOSTS, "-m", "vestbench", "bench", "--stack", stack),
            *("--venue", f"http://{NAME}:{server.port}/", "-n", "24"),
            *("--sessions", "12", "--rate", "1000", "--connect-timeout", "200ms"),
            *("--gate", "--min-saving", "100ms"),
        )
        dead = f"127.0.0.2:{server.port}"

    assert f"{dead} did not answer" in done.stdout + done.stderr
    # httpx lost time on it in half of its sessions; reqwest was not given it.
    assert done.returncode == (1 if stack == "reqwest" else 5), done.stdout


_BY_ITSELF = """
import sys, time
from pyreqwest.client import SyncClientBuilder

client = SyncClientBuilder().no_proxy().build()
begin = time.monotonic()
status = client.get(sys.argv[1]).build().send().status
print(status, time.monotonic() - begin >= 0.3)
"""


@LINUX
@needs_a_mount
def test_reqwest_by_itself_turns_to_the_other_family_after_300_ms(
    tmp_path: Path,
) -> None:
    pytest.importorskip("pyreqwest")
    hosts = f"::1 {NAME}\n127.0.0.1 {NAME}\n"
    with ScriptedServer() as server, silent("::1", server.port):
        done = with_hosts(tmp_path, hosts, "-c", _BY_ITSELF, server.url_of(NAME))

    assert done.stdout == "200 True\n", done.stderr
