"""Programs that are run inside, and what they and the exchange have to say of it."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.command import PATIENCE_S
from tests.support.paths import ROOT
from vestbench.model.simulated import ExchangeSpec, LinkSpec
from vestbench.programs.running import run_program
from vestbench.programs.wanted import ProgramRun, Streams, Wanted

# Nothing of the tests, and nothing that makes a client trust us by accident.
_TAKEN = {
    *("PYTHONPATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
    *("CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "JAVA_TOOL_OPTIONS"),
}
_MAIN = (
    "import sys; sys.path.append(sys.argv.pop(1)); "
    "from vestbench.__main__ import main; sys.exit(main())"
)
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


def environment(**more: str) -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k not in _TAKEN} | more


@dataclass
class Ran:
    run: ProgramRun
    out: str
    err: str

    @property
    def said(self) -> Any:
        """What the program has printed as JSON."""
        return json.loads(self.out)

    @property
    def counts(self) -> tuple[int, int]:
        """Requests and connections."""
        return len(self.run.seen.requests), len(self.run.seen.connections)


def inside(*argv: str, rtt_ms: float = 5.0, **wanted: Any) -> Ran:
    """Run a program inside, in this process."""
    wanted.setdefault("env", environment())
    wanted.setdefault("cwd", Path("/"))
    wanted.setdefault("exchange", ExchangeSpec(processing_ms=0.0))
    link = wanted.pop("link", LinkSpec(rtt_ms=rtt_ms))
    with (
        tempfile.TemporaryFile("w+") as out,
        tempfile.TemporaryFile("w+") as err,
        open(os.devnull) as nothing,
    ):
        streams = Streams(
            stdin=nothing.fileno(), stdout=out.fileno(), stderr=err.fileno()
        )
        run = run_program(Wanted(argv=argv, link=link, streams=streams, **wanted))
        for file in (out, err):
            file.seek(0)
        return Ran(run, out.read(), err.read())


_RESULTS = tempfile.TemporaryDirectory(prefix="vestbench-exec-")
os.chmod(_RESULTS.name, 0o777)  # noqa: S103, for whoever runs it
_NUMBERS = itertools.count()


def command(*words: str, runner: tuple[str, ...] = ()) -> list[str]:
    """Return `vestbench exec` as it is typed, for a process of its own."""
    result = f"{_RESULTS.name}/{next(_NUMBERS)}.toml"
    main = (sys.executable, "-c", _MAIN, str(ROOT), "exec", "--output", result)
    return [*runner, *main, *words]


@contextmanager
def started(
    *words: str, runner: tuple[str, ...] = (), **options: Any
) -> Iterator[subprocess.Popen[str]]:
    options.setdefault("env", environment())
    options.setdefault("stdin", subprocess.DEVNULL)
    with subprocess.Popen(
        command(*words, runner=runner),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
        **options,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def executed(
    *words: str, runner: tuple[str, ...] = (), **options: Any
) -> subprocess.CompletedProcess[str]:
    with started(*words, runner=runner, **options) as process:
        out, err = process.communicate(timeout=PATIENCE_S)
    return subprocess.CompletedProcess(words, process.returncode, out, err)
