"""Has a change of the program helped? Two accounts of it against each other."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec.structs import replace as replaced

from tests.support.command import run
from tests.support.traffic import CONNECT, TLS, Opened, closing, request, traffic_run
from tests.support.traffic import traffic as one_run
from vestbench.model.traffic import Traffic
from vestbench.model.verdict import Change
from vestbench.results.writing import RunWriter
from vestbench.studies.document import summary_of
from vestbench.studies.registry import study_of
from vestbench.studies.traffic.plan import TrafficRun


def several(each: Traffic, runs: int) -> Traffic:
    """Return the traffic of a program that did the same in each of its runs."""
    count = len(each.connections)
    return each.changed(
        programs=each.programs * runs,
        connections=tuple(
            connection.changed(serial=connection.serial + n * count, run=n)
            for n in range(runs)
            for connection in each.connections
        ),
        requests=tuple(
            sent.changed(connection=sent.connection + n * count)
            for n in range(runs)
            for sent in each.requests
        ),
    )


def before(runs: int) -> TrafficRun:
    return traffic_run(several(one_run(*closing(5)), runs), plan={"runs": runs})


def after(runs: int) -> TrafficRun:
    first = CONNECT + TLS
    kept = [request(first + 100.0 * number) for number in range(5)]
    return traffic_run(several(one_run(Opened(0, *kept)), runs), plan={"runs": runs})


def test_each_start_is_a_sample_of_its_totals() -> None:
    then, now = before(4), after(4)

    found = study_of(then).changes(then, now, 0.95)

    assert found is not None
    assert found.runs == (4, 4)
    shown = {
        each.name: (each.before, each.after, each.change) for each in found.changed
    }
    assert shown == {
        "needless": (4, 0, Change.IMPROVED),
        "connections": (5, 1, Change.IMPROVED),
        "cold requests": (100, 20, Change.IMPROVED),
        "spent opening": (5 * (CONNECT + TLS), CONNECT + TLS, Change.IMPROVED),
    }
    assert found.differing == ()


def test_a_program_that_got_worse_is_not_better_for_it() -> None:
    then, now = after(4), before(4)

    found = study_of(then).changes(then, now, 0.95)

    assert found is not None
    assert found.change is Change.REGRESSED


def test_another_program_or_another_link_is_another_thing() -> None:
    then = before(4)
    now = replace(then, plan=replaced(then.plan, program="other"))

    found = study_of(then).changes(then, now, 0.95)

    assert found is not None
    assert found.differing == ("program",)


def written(found: TrafficRun, path: Path) -> str:
    writer = RunWriter(
        path,
        command=found.command,
        label=found.label,
        plan=found.plan,
        started=found.started,
    )
    writer.conditions(found.conditions)
    for outcome in found.outcomes:
        writer.add(outcome)
    writer.finish(found.conclusion, summary_of(found))
    return str(path)


@pytest.mark.parametrize(
    ("runs", "code", "said"),
    [
        (4, 0, "The program: IMPROVED  needless: 4 before, 0 after"),
        (1, 3, "needless: 4 before, 0 after. Whether that is more than chance takes 4"),
    ],
)
def test_the_command_judges_two_stored_accounts(
    tmp_path: Path, runs: int, code: int, said: str
) -> None:
    then = written(before(runs), tmp_path / "then.toml")
    now = written(after(runs), tmp_path / "now.toml")

    done = run("compare", then, now)

    assert (done.returncode, done.stdout.splitlines()[0][: len(said)]) == (code, said)


def test_its_document_says_what_has_become_of_all(tmp_path: Path) -> None:
    then = written(before(4), tmp_path / "then.toml")
    now = written(after(4), tmp_path / "now.toml")

    found = json.loads(run("compare", then, now, "--json").stdout)

    assert found["change"] == "IMPROVED"
    assert found["changed"][0]["name"] == "needless"


def test_a_program_that_got_worse_fails(tmp_path: Path) -> None:
    then = written(after(4), tmp_path / "then.toml")
    now = written(before(4), tmp_path / "now.toml")

    assert run("compare", then, now).returncode == 1
