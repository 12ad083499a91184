"""The study of the measured window: its sums, its file, and a small real run."""

from __future__ import annotations

import random
import tomllib
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from tests.bench import accuracy, accuracy_readings
from tests.bench.accuracy import findings
from tests.bench.accuracy_readings import Destination, Reading, Route
from tests.bench.stored import save
from vestbench.kernel.timestamps import unsupported

QUIET = Console(file=StringIO())


def route(*readings: Reading, unusable: int = 0) -> Route:
    nothing = cast(Any, SimpleNamespace())
    return Route(Destination(0.0, 5.0), nothing, nothing, list(readings), unusable)


def reading(offset: float, looking: float = 0.05) -> Reading:
    measured = 5.0 + offset
    return Reading(
        measured_ms=measured,
        reference_ms=5.0,
        before_ms=offset / 4,
        after_ms=3 * offset / 4,
        undisturbed_ms=measured - looking,
    )


def test_the_offset_is_taken_by_request_with_its_interval_and_spread() -> None:
    found = findings(route(*(reading(n / 100) for n in range(1, 42))))

    assert found.offset.n == 41
    assert found.offset.median == pytest.approx(0.21)
    # Ranks 14 and 28 enclose the median of 41 values with 95 %.
    assert (found.offset.low, found.offset.high) == pytest.approx((0.14, 0.28))
    assert (found.offset_p5, found.offset_p95) == pytest.approx((0.03, 0.39))
    assert found.before.median == pytest.approx(0.0525)
    assert found.after.median == pytest.approx(0.1575)
    assert found.looking.median == pytest.approx(0.05)
    assert found.is_bounded


def test_requests_that_could_not_be_used_are_counted_and_not_read() -> None:
    found = findings(route(reading(0.2), unusable=3))

    assert (found.requests, found.unusable, found.offset.n) == (4, 3, 1)


def test_too_few_readings_have_no_interval() -> None:
    assert not findings(route(*[reading(0.2)] * 5)).is_bounded
    assert findings(route(*[reading(0.2)] * 6)).is_bounded
    assert not findings(route(unusable=9)).is_bounded


def test_a_reference_without_parts_is_summed_up_all_the_same() -> None:
    bare = Reading(measured_ms=5.2, reference_ms=5.0)

    found = findings(route(*[bare] * 6))

    assert found.offset.median == pytest.approx(0.2)
    assert (found.before.n, found.looking.n) == (0, 0)


@pytest.mark.parametrize("against", accuracy_readings.REFERENCES)
@pytest.mark.skipif(bool(unsupported()), reason=unsupported())
def test_a_small_run_is_stored_with_all_of_its_readings(
    against: str, tmp_path: Path
) -> None:
    places = [Destination(0.0, 0.0), Destination(0.0, 1.0)]
    make = accuracy_readings.REFERENCES[against]

    routes = accuracy_readings.measure(make, places, 24, 7, QUIET)
    path = tmp_path / "accuracy.toml"
    save(path, accuracy.document(against, routes, {"seed": 7}))

    stored = tomllib.loads(path.read_text())
    assert stored["against"] == against
    assert [each["processing_ms"] for each in stored["place"]] == [0.0, 1.0]
    for place in stored["place"]:
        columns, n = place["reading"], place["offset"]["n"]
        assert place["requests"] == 24
        assert n == 24 - place["unusable"] == len(columns["measured_ms"])
        # The exchange waits for its service time before it answers.
        assert min(columns["reference_ms"]) >= place["processing_ms"]


def test_each_half_of_a_pair_goes_first_in_half_of_the_cases() -> None:
    order: list[str] = []
    reference = cast(Any, object.__new__(accuracy_readings.KernelReference))
    reference._alone, reference._looked_at = "alone", "looked at"
    reference._send = order.append  # and returns None: not usable

    rng = random.Random(1)
    read = [reference.read(rng) for _ in range(400)]

    assert read == [None] * 400
    first = order[::2].count("alone")
    assert order[1::2].count("looked at") == first
    assert 160 < first < 240


def test_a_folder_that_is_not_there_is_refused_before_anything_runs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as caught:
        accuracy.main(["--output", "/nowhere/at/all.toml"])

    assert caught.value.code == 2
    assert "choose another --output" in capsys.readouterr().err


def test_a_machine_without_kernel_timestamps_is_refused(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(accuracy, "unsupported", lambda: "plan9 has none")

    with pytest.raises(SystemExit) as caught:
        accuracy.main(["--output", str(tmp_path / "a.toml")])

    assert caught.value.code == 2
    assert "plan9 has none" in capsys.readouterr().err
