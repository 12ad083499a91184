"""A run on its way to disk: whatever ends it, what was measured is kept."""

from __future__ import annotations

import os
from contextlib import closing, suppress
from errno import ENOSPC
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any

import pytest

from tests.support.records import bench_run, failure, sample, sessions, store
from tests.support.stored import Turns, files, partial_of, writer_of
from tests.support.sudden import eventually
from vestbench.errors import UsageError
from vestbench.model.request import Outcome
from vestbench.model.run import Conditions
from vestbench.results.writing import RunWriter
from vestbench.studies.registry import load_run


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.toml"


def test_outcomes_are_on_disk_within_a_second(path: Path) -> None:
    now = [100.0]
    run = bench_run()
    writer = writer_of(run, path, clock=lambda: now[0])
    writer.conditions(run.conditions)
    seen: list[int] = []
    for moment in (100.2, 100.4, 100.49, 100.5, 100.9, 101.0):
        now[0] = moment
        writer.add(sample(len(seen)))
        seen.append(len(load_run(partial_of(path)).samples))
    writer.close()

    assert seen == [0, 0, 0, 4, 4, 6]


def test_what_came_does_not_wait_for_what_comes_next(path: Path) -> None:
    now, turns = [100.0], Turns()
    writer = writer_of(bench_run(), path, clock=lambda: now[0], wait=turns)
    writer.conditions(bench_run().conditions)
    seen: list[int] = []
    for moment in (100.1, 100.2):
        now[0] = moment
        writer.add(sample(int(10 * moment)))
    for moment in (100.49, 100.51, 100.99):  # nothing comes; the timer looks
        now[0] = moment
        turns.turn()
        seen.append(len(load_run(partial_of(path)).samples))
    writer.close()

    assert seen == [0, 2, 2]


def test_the_timer_does_not_need_the_test(path: Path) -> None:
    run = bench_run()
    with closing(writer_of(run, path, monotonic, Event.wait)) as writer:
        writer.conditions(run.conditions)
        writer.add(sample(0))
        writer.add(sample(1))

        assert eventually(lambda: len(load_run(partial_of(path)).samples) == 2)


def test_closing_writes_what_waits(path: Path) -> None:
    run = bench_run()
    writer = writer_of(run, path)
    writer.conditions(run.conditions)
    writer.add(sample(0))
    before = len(load_run(partial_of(path)).samples)
    writer.close()
    writer.close()

    assert (before, len(load_run(partial_of(path)).samples)) == (0, 1)


def test_a_full_disk_ends_neither_the_timer_nor_closing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, turns = [0.0], Turns()
    writer = writer_of(bench_run(), path, clock=lambda: now[0], wait=turns)
    writer.conditions(bench_run().conditions)
    writer.add(sample(0))
    file, now[0] = writer._file, 1.0
    monkeypatch.setattr(writer, "_file", Full(file))
    turns.turn()
    turns.turn()
    writer.close()
    monkeypatch.undo()
    file.close()

    assert load_run(partial_of(path)).samples == ()


def test_a_full_block_is_on_disk_at_once(path: Path) -> None:
    run = bench_run()
    writer = writer_of(run, path)
    writer.conditions(run.conditions)
    for number in range(300):
        writer.add(sample(number))
    found = load_run(partial_of(path))
    writer.close()

    assert len(found.samples) == 256


def test_a_killed_run_loads_with_what_was_flushed_and_is_interrupted(
    path: Path,
) -> None:
    run = bench_run(sessions([100.0] * 3), plan={"seed": 11})
    writer = writer_of(run, path)
    writer.conditions(run.conditions)
    for number, outcome in enumerate(run.samples):
        writer.add(outcome)
        if number == 9:
            writer.flush()
    killed(writer)

    found = load_run(partial_of(path))

    assert found.samples == run.samples[:10]
    assert found.interrupted
    assert found.plan == run.plan
    assert found.conditions == run.conditions
    assert not path.exists()


def test_a_run_killed_before_its_first_request_loads(path: Path) -> None:
    run = bench_run()
    writer = writer_of(run, path)
    writer.close()

    found = load_run(partial_of(path))

    assert found.interrupted
    assert (found.samples, found.failures) == ((), ())
    assert found.conditions == Conditions()


def test_a_block_torn_by_a_kill_or_a_full_disk_costs_that_block_only(
    path: Path,
) -> None:
    run = bench_run(sessions([100.0, 101.0, 102.0]))
    writer = writer_of(run, path)
    writer.conditions(run.conditions)
    for part in (run.samples[:10], run.samples[10:]):
        for outcome in part:
            writer.add(outcome)
        writer.flush()
    writer.close()
    whole = partial_of(path).read_bytes()
    start = whole.rindex(b"[[samples]]")

    for end in range(start + 1, len(whole) - 1, 5):
        partial_of(path).write_bytes(whole[:end])
        found = load_run(partial_of(path))
        assert found.samples == run.samples[:10]
        assert found.interrupted


def test_a_torn_conclusion_is_no_conclusion(path: Path) -> None:
    run = bench_run([sample()])
    store(run, path, {"n": 1})
    whole = path.read_bytes()
    torn = partial_of(path)

    for end in range(whole.index(b"[conclusion]"), whole.index(b"[summary]"), 5):
        torn.write_bytes(whole[:end])
        assert load_run(torn).interrupted
        assert load_run(torn).samples == run.samples


def test_a_run_killed_just_before_it_got_its_name_is_whole(path: Path) -> None:
    run = bench_run([sample()])
    store(run, path, {"n": 1})
    os.replace(path, partial_of(path))

    assert load_run(partial_of(path)) == run


class Full:
    """A file on a disk that has become full."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def write(self, data: bytes) -> int:
        raise OSError(ENOSPC, "no space left on device")


def killed(writer: RunWriter) -> None:
    """Do to a file what the end of its process does."""
    writer._waiting = ()
    writer.close()


class Interrupted:
    """A file at whose n-th call an interruption comes, before or after it is done."""

    def __init__(self, file: Any, call: int, *, before: bool) -> None:
        self._file = file
        self._left = call
        self._before = before

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._file, name)
        if not callable(found):
            return found

        def called(*arguments: Any) -> Any:
            self._left -= 1
            if self._left == 0 and self._before:
                raise KeyboardInterrupt
            result = found(*arguments)
            if self._left == 0:
                raise KeyboardInterrupt
            return result

        return called


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("call", range(1, 14))
def test_an_interruption_anywhere_in_writing_neither_loses_nor_doubles_a_request(
    path: Path, call: int, before: bool
) -> None:
    run = bench_run([*sessions([100.0, 101.0]), failure(3)])
    writer = writer_of(run, path, clock=iter(range(99)).__next__)  # flush each second
    writer.conditions(run.conditions)
    writer._file = Interrupted(writer._file, call, before=before)  # type: ignore[assignment]
    outcomes: list[Outcome] = [*run.samples, *run.failures]

    with suppress(KeyboardInterrupt):
        for outcome in outcomes:
            writer.add(outcome)
    for outcome in outcomes[writer.taken :]:
        writer.add(outcome)
    try:
        writer.finish(run.conclusion, {})
    except KeyboardInterrupt:
        writer.finish(run.conclusion, {})

    stored = load_run(path)
    assert stored.samples == run.samples
    assert stored.failures == run.failures
    assert not stored.interrupted


def test_finishing_gives_the_file_its_name(path: Path) -> None:
    run = bench_run([sample()])
    writer = writer_of(run, path)
    before = files(path.parent)
    found = writer.finish(run.conclusion, {})

    assert before == ["run.toml.partial"]
    assert found == path
    assert files(path.parent) == ["run.toml"]


def test_a_discarded_run_leaves_no_file(path: Path) -> None:
    writer_of(bench_run(), path).discard()

    assert files(path.parent) == []


def test_a_link_stays_and_what_it_leads_to_is_the_run(tmp_path: Path) -> None:
    # As /dev/stdout is one, which a run must not take from the whole machine.
    file, link = tmp_path / "there" / "run.toml", tmp_path / "link.toml"
    file.parent.mkdir()
    file.write_text("before")
    link.symlink_to(file)

    store(bench_run(sessions([100])), link)

    assert link.is_symlink()
    assert not file.is_symlink()
    assert load_run(file).samples


@pytest.mark.parametrize("descriptor", [1, 2])
@pytest.mark.parametrize("linked", [True, False])
def test_the_file_that_an_output_goes_to_is_not_replaced(
    path: Path, monkeypatch: pytest.MonkeyPatch, descriptor: int, linked: bool
) -> None:
    path.write_text("what a shell sends there")
    facts, others = path.stat(), path.parent.stat()
    monkeypatch.setattr(os, "fstat", lambda n: facts if n == descriptor else others)
    name = path
    if linked:
        name = path.with_name("stdout")
        name.symlink_to(path)

    with pytest.raises(UsageError, match="it is where standard output or error goes"):
        writer_of(bench_run(), name)

    assert path.read_text() == "what a shell sends there"
    assert not partial_of(path).exists()


@pytest.mark.parametrize("name", ["run.toml", "deeper/run.toml"])
def test_what_is_no_folder_is_named(path: Path, name: str) -> None:
    path.write_text("a file")

    with pytest.raises(UsageError) as error:
        writer_of(bench_run(), path / name)

    assert str(error.value) == (
        f"cannot write results to {path / name}: {path} is no folder; "
        "choose another --output"
    )
