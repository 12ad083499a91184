"""Records too many for memory, and distributions of them."""

from __future__ import annotations

import errno
import random
from array import array
from collections.abc import Sequence
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.records import bench_run, sample
from tests.support.studies import bench_of
from vestbench import spool
from vestbench.errors import UsageError
from vestbench.model.request import Sample
from vestbench.model.run import Run, RunOf
from vestbench.spool import Spool
from vestbench.stats.quantiles import Distribution, estimate, quantile
from vestbench.studies.bench.summary import summarise_bench

BLOCK = spool._BLOCK


# --- the spool ------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 5, 6, 5 + BLOCK, 8 + 3 * BLOCK])
def test_records_come_back_in_order_as_often_as_asked(count: int) -> None:
    kept = Spool(range(count), held=5)

    assert len(kept) == count
    assert list(kept) == list(kept) == list(range(count))
    for place in {0, 4, 5, BLOCK + 4, BLOCK + 5, count - 1, -1, -count}:
        if -count <= place < count:
            assert kept[place] == range(count)[place]
    assert list(kept[2:-2]) == list(range(count))[2:-2]
    with pytest.raises(IndexError):
        kept[count]


def test_records_added_while_others_are_read_are_read_as_well() -> None:
    kept = Spool(range(BLOCK), held=0)

    first = iter(kept)
    assert next(first) == 0
    for number in range(BLOCK, 3 * BLOCK):
        kept.append(number)

    assert list(kept) == list(range(3 * BLOCK))


def test_what_is_beyond_the_first_is_not_in_memory() -> None:
    kept = Spool((sample(number) for number in range(4 * BLOCK)), held=10)

    in_memory = len(kept._held) + len(kept._open)
    assert in_memory < 10 + BLOCK
    assert [each.slot.session for each in kept] == list(range(4 * BLOCK))


def test_few_records_settle_as_a_tuple() -> None:
    assert Spool(range(3)).settled() == (0, 1, 2)
    many = Spool(range(3), held=2)
    assert many.settled() is many


def test_the_file_of_a_spool_has_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    kept = Spool(range(2 * BLOCK), held=0)

    assert list(tmp_path.iterdir()) == []
    assert kept[-1] == 2 * BLOCK - 1


def test_a_full_disk_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def seek(self, *_: int) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self) -> None:
            pass

    monkeypatch.setattr(spool, "TemporaryFile", lambda **_: Full())

    with pytest.raises(UsageError, match="no space left on device; set TMPDIR"):
        Spool(range(BLOCK), held=0)


# --- distributions --------------------------------------------------------------------


def test_few_values_are_kept_as_they_are() -> None:
    values = [3.0, 1.0, inf, 2.5]

    found = Distribution(values)

    assert isinstance(found.ranked(), list)
    assert list(found.ranked()) == sorted(values)
    assert (len(found), found.low, found.high) == (4, 1.0, inf)


@given(
    st.lists(st.floats(1e-6, 1e7) | st.just(inf), min_size=1, max_size=200),
    st.sampled_from([0.0, 0.01, 0.5, 0.9, 0.99, 1.0]),
)
def test_quantiles_of_many_values_are_within_a_bucket(
    values: list[float], q: float
) -> None:
    counted = Distribution(values, exact=0)

    assert not isinstance(counted.ranked(), list)
    assert (counted.low, counted.high) == (min(values), max(values))
    assert quantile(counted, q) == pytest.approx(quantile(values, q), rel=2.5e-4)


@given(st.lists(st.floats(0, 1e4), min_size=1, max_size=60), st.integers(0, 60))
def test_ranks_count_each_value_as_often_as_it_came(
    values: list[float], exact: int
) -> None:
    ranked = Distribution(values + values, exact=exact).ranked()

    assert len(ranked) == 2 * len(values)
    assert list(ranked) == [ranked[place] for place in range(len(ranked))]
    assert list(ranked) == sorted(ranked)
    assert ranked[-1] == pytest.approx(max(values), rel=2.5e-4)


def test_an_interval_of_counted_values_is_that_of_their_order_statistics() -> None:
    rng = random.Random(1)
    values = [rng.lognormvariate(3, 0.5) for _ in range(5000)]

    exact, counted = estimate(values, 0.9), estimate(Distribution(values, exact=9), 0.9)

    for name in ("point", "low", "high"):
        expected = getattr(exact, name)
        assert getattr(counted, name) == pytest.approx(expected, rel=2.5e-4)
    assert (counted.n, counted.missing) == (exact.n, exact.missing)


def test_zero_stays_zero() -> None:
    assert list(Distribution([0.0] * 5, exact=0).ranked()) == [0.0] * 5


@pytest.mark.parametrize("value", [nan, -inf])
def test_what_is_no_duration_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="is not a latency"):
        Distribution([value])


def test_memory_of_a_distribution_does_not_grow_with_its_values() -> None:
    rng = random.Random(2)
    found = Distribution(exact=100)

    for _ in range(50_000):
        found.add(rng.lognormvariate(0, 0.3))

    assert found._values == array("d")
    assert found._counts is not None
    assert len(found._counts) < 15_000  # 4096 for each doubling
    assert len(found) == 50_000


# --- a run of them --------------------------------------------------------------------


def _many(count: int) -> list[Sample]:
    rng = random.Random(3)
    return [
        sample(
            session=number // 100,
            index=number % 100,
            reused=number % 100 > 0,
            wait=35 + rng.random(),
            connection=number // 100,
        )
        for number in range(count)
    ]


def _spooled(run: Run, samples: Sequence[Sample]) -> Run:
    fields: dict[str, Any] = {
        name: getattr(run, name)
        for name in ("command", "label", "started", "plan", "conditions", "conclusion")
    }
    return RunOf(**fields, samples=samples, failures=run.failures)


def test_a_run_on_disk_has_the_summary_of_a_run_in_memory() -> None:
    samples = _many(2500)
    in_memory = bench_run(samples)
    on_disk = _spooled(in_memory, Spool(samples, held=100))

    assert summarise_bench(bench_of(on_disk)) == summarise_bench(bench_of(in_memory))
