"""Machines that do not let a program be kept inside: it is not run at all."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.command import PATIENCE_S
from tests.support.inside import command, environment
from tests.support.labs import SECCOMP, needs_seccomp
from tests.support.paths import ROOT

pytestmark = pytest.mark.link

RUN = ("--rtt", "0ms", "--", "sh", "-c", "echo it ran")


def refused(words: list[str]) -> str:
    done = subprocess.run(
        words,
        capture_output=True,
        text=True,
        env=environment(),
        cwd="/",
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE_S,
    )
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert done.stderr.count("\n") == 1
    return done.stderr


@needs_seccomp
def test_a_container_that_forbids_namespaces_is_told_what_allows_them() -> None:
    script = (
        f"{SECCOMP}\nimport sys; sys.path.append({str(ROOT)!r})\n"
        "from vestbench.__main__ import main; sys.exit(main())"
    )

    said = refused([sys.executable, "-c", script, "exec", *RUN])

    assert said.startswith(
        "error: a program cannot be kept inside here (unshare: blocked-by-seccomp "
        "(EPERM), "
    )
    assert "allow it with: docker run --security-opt seccomp=unconfined" in said
    assert said.endswith("point it at the exchange that `vestbench serve` runs\n")


def test_root_without_user_namespaces_is_refused_too() -> None:
    # Root in a namespace of its own, whose limit concerns nobody else.
    forbid = 'echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"'

    said = refused(["unshare", "-Ur", "sh", "-c", forbid, "sh", *command(*RUN)])

    assert "unshare: namespace-limit-reached (ENOSPC)" in said
    assert "allow it with: sudo sysctl -w user.max_user_namespaces=10000" in said
