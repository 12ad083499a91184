"""Files of strangers."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, settings
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import Result

from tests.support.command import vestbench
from tests.support.compared import in_rounds, steady
from tests.support.hostile import check, write
from tests.support.loopback_venue import PRIMARY, SIGNING
from tests.support.records import bench_run, compare_run, failure, sessions, warm_up_run
from vestbench.errors import ExitCode, VenueError
from vestbench.model.run import Plan, Run

PROPERTY = settings(
    deadline=None,
    derandomize=True,
    max_examples=20,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
# What a run that goes on would be measured at, if it were: `nothing_is_measured`.
ARMS = ("compare", "pooled", "unpooled", "--venue", "http://127.0.0.1:9/")
TOML = b"""\
venue = "sim"
min_saving = "50ms"
results = "results"
[pool]
max_idle = 2
idle_timeout = "60s"
tcp_keepalive = "30s"
connect_timeout = "10s"
request_timeout = "10s"
"""


@contextmanager
def nothing_is_measured(plans: list[Plan]) -> Iterator[None]:
    """Let a command come up to where it would begin to measure, and keep its plan."""
    from vestbench.cli import measuring

    def refuse(job: Any, *_: object, **__: object) -> None:
        plans.append(job.plan)
        raise VenueError("nothing is measured here")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measuring, "carry_out", refuse)
        yield


def runs() -> Mapping[str, Run]:
    """Return a run of each sort; `ARMS` would go on with the undecided one."""
    plans: list[Plan] = []
    with nothing_is_measured(plans):
        vestbench(*ARMS)
    return {
        "bench": bench_run([*sessions(range(99, 105)), failure(6)]),
        "compare": compare_run(in_rounds(steady(14))),
        "undecided": compare_run(in_rounds(steady(4)), plan=plans[0].stored()),
        "warmup": warm_up_run(sessions(range(99, 105))),
    }


SHOWN = (ExitCode.OK, ExitCode.USAGE, ExitCode.INVALID)
COMPARED = (*SHOWN, ExitCode.NOT_MET, ExitCode.INCONCLUSIVE)
RESUMED = (ExitCode.USAGE, ExitCode.UNREACHABLE, ExitCode.INVALID)


def read_report(file: str, _: str) -> None:
    check(vestbench("report", file), allowed=SHOWN)
    check(vestbench("report", file, "--quiet"), allowed=SHOWN)


def read_json(file: str, _: str) -> None:
    result = vestbench("report", file, "--json")
    check(result, allowed=SHOWN)
    assert result.exit_code or json.loads(result.stdout)


def read_compare(file: str, good: str) -> None:
    check(vestbench("compare", file, good, "--force"), allowed=COMPARED)
    check(vestbench("compare", good, file, "--json"), allowed=COMPARED)


def read_resume(file: str, _: str) -> None:
    with nothing_is_measured([]):
        check(vestbench(*ARMS, "--resume", file), allowed=RESUMED)


def read_gate(file: str, good: str) -> None:
    asked = ("--assert", "failures == 0", "--assert", "saving >= 1 ms")
    for words in ((file,), (good, file, *asked, "--json")):
        result = vestbench("gate", *words)
        check(result, allowed=COMPARED, tables=(ExitCode.INVALID,))  # or what it judges


def read_in_a_row(file: str, _: str) -> None:
    folder = str(Path(file).parent)
    for command in ("history", "trend"):
        check(vestbench(command, folder), allowed=(ExitCode.OK,))
        result = vestbench(command, folder, "--json")
        check(result, allowed=(ExitCode.OK,))
        json.loads(result.stdout)


# What a document must be, whatever strangers have put in it.
DOCUMENTS: Mapping[str, Callable[[str], object]] = {
    "--html": lambda text: HTMLParser().feed(text),
    "--markdown": str.splitlines,
    "--csv": lambda text: list(csv.reader(io.StringIO(text), strict=True)),
    "--json-file": json.loads,
    "--junit": ElementTree.fromstring,
    "--prometheus": lambda text: list(text_string_to_metric_families(text)),
}


def read_documents(file: str, _: str) -> None:
    with TemporaryDirectory() as folder:
        words = [word for to in DOCUMENTS for word in (to, f"{folder}/{to[2:]}")]
        result = vestbench("report", file, "--quiet", *words)
        check(result, allowed=SHOWN)
        made = sorted(path.name for path in Path(folder).iterdir())
        if result.exit_code:
            return
        assert made == sorted(to[2:] for to in DOCUMENTS)
        for to, parsed in DOCUMENTS.items():
            parsed(Path(folder, to[2:]).read_text(encoding="utf-8"))


READERS = (
    read_report,
    read_json,
    read_compare,
    read_resume,
    read_gate,
    read_in_a_row,
    read_documents,
)


def read_by_commands(path: Path, good: Path, rng: Random) -> None:
    """Have a result read by some of the commands that read one."""
    for reader in rng.sample(READERS, 3):
        reader(str(path), str(good))


def settings_from(data: bytes) -> None:
    """Have settings read by a command that shows them and by those that use them."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write(Path("vestbench.toml"), data)
        check(vestbench("config"), allowed=(ExitCode.OK, ExitCode.USAGE))
        check(vestbench("config", "--json"), allowed=(ExitCode.OK, ExitCode.USAGE))
        with nothing_is_measured([]):
            for command in ("bench", "compare", "warmup", "connect"):
                refused = (ExitCode.USAGE, ExitCode.UNREACHABLE)
                check(vestbench(command), allowed=refused)


KEYS = (
    f'signing_key = "{SIGNING}"\nprimary_key = "{PRIMARY}"\n'
    'api_key = "api-key-4711"\naccount_group = 3\nproduction = false\n'
).encode()


def keys_from(data: bytes) -> Result:
    """Have a keys file read by a command that uses it."""
    with TemporaryDirectory() as folder, nothing_is_measured([]):
        path = write(Path(folder, "keys.toml"), data)
        path.chmod(0o600)
        words = ("--venue", "vest-dev", "--endpoint", "cancel", "--keys", str(path))
        result = vestbench("bench", *words)
    check(result, allowed=(ExitCode.USAGE, ExitCode.UNREACHABLE))
    return result
