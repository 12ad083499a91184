"""A result is read block by block, and says what it says as a whole."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.paths import DATA
from tests.support.records import bench_run, failure, sample, store
from vestbench.errors import InvalidRunError, UsageError
from vestbench.model.run import Run, RunOf
from vestbench.results import reading
from vestbench.spool import HELD
from vestbench.studies.registry import load_run
from vestbench.toml_file import parse

GOLDEN = (DATA / "format-1.toml").read_text()


def whole(path: Path) -> Run:
    """Read a result that is parsed at once."""
    with patch.object(reading, "_pieces", side_effect=reading._EntangledError):
        return load_run(path)


def both_ways(text: str) -> tuple[Run | str, Run | str]:
    """Read a text by blocks and as a whole: a run, or how the refusal begins."""
    found: list[Run | str] = []
    with TemporaryDirectory() as folder:
        path = Path(folder) / "run.toml"
        path.write_text(text)
        for read in (load_run, whole):
            try:
                found.append(read(path))
            except InvalidRunError:
                found.append("refused")
    return found[0], found[1]


# What may stand in a stranger's file between two lines, or in place of one.
LINES = st.sampled_from(
    [
        *("[[samples]]", "[[failures]]", "[samples]", "[failures]", '[["samples"]]'),
        *("[conclusion]", "[summary]", "[plan]", "[plan.more]", "[conclusion.link]"),
        *("[samples.more]", "samples = []", "format = 1", 'label = "other"', "n = 1"),
        *("note = '''", "'''", 'note = """', '"""', "list = [", "]", "# [[samples]]"),
    ]
)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(
    st.lists(
        st.tuples(st.integers(0, GOLDEN.count("\n")), st.integers(0, 1), LINES),
        min_size=1,
        max_size=4,
    )
)
def test_a_file_means_the_same_by_blocks_and_as_a_whole(
    changes: list[tuple[int, int, str]],
) -> None:
    lines = GOLDEN.split("\n")
    for place, removed, line in changes:
        lines[place : place + removed] = [line]

    by_blocks, at_once = both_ways("\n".join(lines))

    assert by_blocks == at_once


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            GOLDEN.replace(
                "[conditions]", "[conditions]\nhost = '''\n[[samples]]\nn = 1\n'''"
            ),
            id="a-header-in-a-text",
        ),
        pytest.param(
            GOLDEN.replace(
                "[conditions]", '[conditions]\nhost = """\n\n[conclusion]\n"""'
            ),
            id="the-end-in-a-text",
        ),
        pytest.param(
            GOLDEN + '\n[conditions.versions]\nx = "1"\n', id="a-table-in-two-places"
        ),
        pytest.param(GOLDEN.replace("[[failures]]", '[["failures"]]'), id="quoted"),
        pytest.param(GOLDEN.replace("\n", "\r\n"), id="lines-of-windows"),
    ],
)
def test_what_only_the_whole_file_tells_is_read_as_a_whole(text: str) -> None:
    by_blocks, at_once = both_ways(text)

    assert isinstance(at_once, RunOf)
    assert by_blocks == at_once


def test_no_more_than_a_block_is_parsed_at_once(tmp_path: Path) -> None:
    blocks = 40
    outcomes = [sample(index=index) for index in range(256 * blocks)]
    path = store(bench_run(outcomes), tmp_path / "run.toml")
    sizes: list[int] = []

    def watched(data: bytearray) -> dict[str, Any]:
        sizes.append(len(data))
        return parse(data)

    with patch.object(reading, "parse", watched):
        run = load_run(path)

    assert len(run.samples) == 256 * blocks > HELD
    assert len(sizes) == blocks + 2  # what is before them, and what follows
    assert max(sizes) < 2 * path.stat().st_size / blocks


def test_of_a_long_run_only_the_first_requests_are_held(tmp_path: Path) -> None:
    outcomes = [sample(index=index) for index in range(HELD + 3000)]
    failures = [failure(index=HELD + 3000)]
    path = store(bench_run([*outcomes, *failures]), tmp_path / "run.toml")

    run = load_run(path)

    assert not isinstance(run.samples, tuple)
    assert list(run.samples) == outcomes
    assert run.failures == tuple(failures)


def test_a_file_that_is_not_there_is_a_wrong_argument(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"

    with pytest.raises(UsageError) as refusal:
        load_run(path)

    assert str(refusal.value) == f"cannot read {path}: no such file or directory"


def test_a_folder_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read .*: is a directory"):
        load_run(tmp_path)
