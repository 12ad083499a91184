"""Results from strangers: shown, or refused in one line, never a crash."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from tests.support.command import vestbench
from tests.support.hostile import check, spoilt, write
from tests.support.strangers import (
    ARMS,
    PROPERTY,
    READERS,
    nothing_is_measured,
    read_by_commands,
)
from vestbench.errors import ExitCode
from vestbench.results import reading
from vestbench.studies.registry import load_run

NAMES = ("bench", "compare", "undecided", "warmup")


@pytest.mark.parametrize("name", NAMES)
def test_a_result_that_nobody_changed_is_read_by_every_command(
    stored: Mapping[str, Path], name: str
) -> None:
    file = str(stored[name])

    assert vestbench("report", file).exit_code == 0
    assert vestbench("compare", file, file).exit_code in (0, 3)
    with nothing_is_measured([]):
        again = vestbench(*ARMS, "--resume", file)
    assert again.exit_code == (4 if name == "undecided" else 2), again.output


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", NAMES)
def test_a_result_that_nobody_changed_is_read_by_all(
    stored: Mapping[str, Path], name: str, reader: Callable[[str, str], None]
) -> None:
    reader(str(stored[name]), str(stored[name]))


@pytest.mark.parametrize("name", NAMES)
@PROPERTY
@given(rng=st.randoms(use_true_random=False))
def test_a_result_that_a_stranger_changed_is_shown_or_refused_in_one_line(
    stored: Mapping[str, Path], name: str, rng: Random
) -> None:
    data = spoilt(stored[name].read_bytes(), rng)

    with TemporaryDirectory() as folder:
        suffix = rng.choice(("", ".partial"))
        path = write(Path(folder, f"run.toml{suffix}"), data)
        read_by_commands(path, stored[name], rng)


# --- by hand -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"format = 99\nnew = 1\n", "has format 99, this version reads up to 1"),
        (b"", "format: it is missing"),
        (b"a = " + b"[" * 100_000, "run.toml is "),
        (b"a" + b".a" * 100_000 + b" = 1", "is not a result file"),
        (b"a = " + b"{a=" * 5_000 + b"1" + b"}" * 5_000, "run.toml is "),
        (b"format = " + b"9" * 10_000, "is not a result file"),
        (b"\xff\xfe", "is not a result file"),
    ],
    ids=["newer", "empty", "deep", "dotted", "tables", "digits", "no text"],
)
def test_hostile_toml_is_refused(tmp_path: Path, data: bytes, why: str) -> None:
    path = write(tmp_path / "run.toml", data)

    for words in (("report", str(path)), ("compare", str(path), str(path))):
        result = vestbench(*words)
        check(result, allowed=(ExitCode.INVALID,))
        assert why in result.stderr


@pytest.mark.parametrize("file", ["/dev/zero", "/dev/null", "."])
def test_what_is_no_file_is_refused(file: str) -> None:
    result = vestbench("report", file)

    check(result, allowed=(ExitCode.USAGE, ExitCode.INVALID))


def claiming(whole: Path, n: int, blocks: int) -> bytes:
    """Return a run whose blocks, of one value a column, say they hold `n` each."""
    text = whole.read_text()
    start = text.index("[[samples]]")
    block = tomllib.loads(text[start:])["samples"][0]
    alike = {k: v[0] if isinstance(v, list) else v for k, v in block.items()}
    claim = "[[samples]]\n" + tomli_w.dumps(alike | {"n": n}) + "\n"
    return (text[:start] + claim * blocks).encode()


@pytest.mark.parametrize(
    ("n", "blocks", "why"),
    [
        (100_000, 20, "more outcomes than it has bytes"),
        (100_001, 1, "expected 1 to 100,000 outcomes"),
        (256, 40, "more than 10,000 outcomes"),
    ],
)
def test_few_bytes_that_claim_very_many_requests_are_refused(
    stored: Mapping[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    n: int,
    blocks: int,
    why: str,
) -> None:
    monkeypatch.setattr(reading, "_MAX_OUTCOMES", 10_000 if n == 256 else 2_000_000)
    path = write(tmp_path / "run.toml", claiming(stored["bench"], n, blocks))

    result = vestbench("report", str(path))

    check(result, allowed=(ExitCode.INVALID,))
    assert why in result.stderr


def test_blocks_as_they_are_written_are_read_whatever_they_have_in_common(
    stored: Mapping[str, Path], tmp_path: Path
) -> None:
    path = write(tmp_path / "run.toml.partial", claiming(stored["bench"], 256, 3))

    assert len(load_run(path).samples) == 3 * 256
