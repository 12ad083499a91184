"""Every example in README.md is run, as it stands or shorter, unless a reason is given.

Shorter: fewer requests and rounds, and no emulated link. What an example measures then
does not matter, only that it is carried out and ends as a run does.
"""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.support.paths import ROOT
from tests.support.readme import BLOCKS, examples
from vestbench.cli import app

REAL = "a real venue"
FOREVER = "runs until it is interrupted"
ELSEWHERE = "writes to where node-exporter looks"
MADE_UP = "of a stored run, or a program, that is made up for the example"
# What is not run, by the words it has; the reason is for the reader.
NOT_RUN = {
    "--venue ": REAL,
    "serve ": FOREVER,
    "bot": MADE_UP,
    "--prometheus /var/lib": ELSEWHERE,
    "--resume results/run.toml": MADE_UP,
    "results/then.toml": MADE_UP,
    "compare before.toml": MADE_UP,
}

# In place of what an example asks for, so that it is short.
NO_LINK = ("--rtt", "0ms", "--processing", "0ms")
SHORTER = {
    "bench": ("--requests", "24", "--sessions", "6", *NO_LINK),
    "compare": ("--max-rounds", "12", "--idle", "10ms", *NO_LINK),
    "warmup": ("--rounds", "2", *NO_LINK),
    "connect": ("--rounds", "2", *NO_LINK),
}

# Done, missed, undecided: how a run may end. Anything else is an example that fails.
ENDED = (0, 1, 3)


def why_not(example: str) -> str:
    """Return why an example is not run; empty if it is."""
    return next((why for words, why in NOT_RUN.items() if words in f"{example} "), "")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in a folder with the reference runs, as a reader in a checkout is."""
    results = tmp_path / "results"
    results.mkdir()
    for kind in ("reference", "story"):
        for path in (ROOT / "results").glob(f"{kind}-*.toml"):
            shutil.copy(path, results)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def carried_out(example: str) -> Result:
    command, *words = shlex.split(example)
    stored = words and words[0].endswith(".toml")
    shorter = () if stored else SHORTER.get(command, ())
    if "--concurrency 8" in example:  # each session needs two bursts
        shorter = ("--requests", "32", "--sessions", "2", *NO_LINK)
    for option in shorter[::2]:  # which may be given once only
        if option in words:
            place = words.index(option)
            del words[place : place + 2]
    return CliRunner().invoke(app, [command, *words, *shorter], env={"COLUMNS": "200"})


@pytest.mark.parametrize("example", [e for e in examples() if not why_not(e)])
def test_the_example_runs(example: str, folder: Path) -> None:
    result = carried_out(example)

    assert result.exit_code in ENDED, result.output
    assert isinstance(result.exception, SystemExit | None), result.exception
    assert result.output
    assert "error:" not in result.stderr


def test_most_examples_run_and_each_exception_is_used() -> None:
    run = [example for example in examples() if not why_not(example)]
    unused = [w for w in NOT_RUN if not any(w in f"{e} " for e in examples())]

    assert len(run) > len(examples()) - len(run)
    assert unused == []


def test_what_the_readme_prints_is_what_is_stored(folder: Path) -> None:
    for name in ("bench", "compare", "warmup"):
        result = carried_out(f"report results/reference-{name}-30ms.toml")
        shown = " ".join(result.stdout.split())
        printed = [b.text for b in BLOCKS if b.text.startswith(f"$ vestbench {name}")]

        first = printed[0].splitlines()[1]
        assert " ".join(first.split()) in shown


# Python


def python_blocks() -> Iterator[str]:
    for block in BLOCKS:
        if block.language == "python":
            yield block.text


@pytest.mark.link
def test_the_python_example_runs_as_it_stands(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    (text,) = [block for block in python_blocks() if "def test_" not in block]

    exec(compile(text, "README.md", "exec"), {"__name__": "example"})  # noqa: S102

    assert capsys.readouterr().out.startswith("<Result PASS: pooled, reused == 100%")


@pytest.mark.link
def test_the_pytest_example_passes_as_it_stands(pytester: pytest.Pytester) -> None:
    (text,) = [block for block in python_blocks() if "def test_" in block]
    pytester.makepyfile(text)

    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")

    result.assert_outcomes(passed=2)


# The action


def script_of(step: str) -> str:
    """Return the shell script of a step of action.yml."""
    lines = (ROOT / "action.yml").read_text(encoding="utf-8").splitlines()
    start = lines.index(f"    - name: {step}")
    at = next(i for i in range(start, len(lines)) if lines[i].strip() == "run: |")
    script = []
    for line in lines[at + 1 :]:
        if line and not line.startswith("        "):
            break
        script.append(line[8:])
    return "\n".join(script)


@pytest.fixture
def act(tmp_path: Path) -> Callable[..., int]:
    """Return what runs the measuring step with these inputs, by its exit code."""
    import subprocess

    if not (ROOT / "action.yml").exists():
        pytest.skip("no checkout: the source distribution is without the action")
    installed = tmp_path / "vestbench" / "bin"
    installed.mkdir(parents=True)
    (installed / "vestbench").symlink_to(Path(sys.executable).parent / "vestbench")

    def act(
        command: str = "",
        asserted: str = "",
        doubt: str = "neutral",
        *,
        program: str = "",
    ) -> int:
        import os

        environment = {
            **os.environ,
            "RUNNER_TEMP": str(tmp_path),
            "PROGRAMS": str(installed),
            "PYTHONUTF8": "1",
            "COMMAND": command,
            "PROGRAM": program,
            "ASSERTED": asserted,
            "ON_INCONCLUSIVE": doubt,
        }
        script = script_of("Measure")
        words = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
        return subprocess.run(words, env=environment, timeout=120).returncode

    return act


def test_the_action_passes_and_keeps_the_result(
    act: Callable[..., int], tmp_path: Path
) -> None:
    short = "bench --requests 40 --rtt 0ms --processing 0ms"

    code = act(short, "failures == 0\nreused == 100%\n")

    assert code == 0
    kept = {path.name for path in (tmp_path / "vestbench-report").iterdir()}
    assert kept == {"result.toml", "result.html", "junit.xml"}


def test_the_action_fails_when_pooling_is_broken(act: Callable[..., int]) -> None:
    short = "compare pooled unpooled --rtt 0ms --processing 0ms --min-saving 0.01ms"

    assert act(f"{short} --max-requests 1", doubt="pass") == 5


def test_the_action_does_not_run_what_is_written_in_its_inputs(
    act: Callable[..., int], tmp_path: Path
) -> None:
    touched = tmp_path / "touched"

    code = act(f"bench; touch {touched}", f"$(touch {touched})")

    assert code == 2
    assert not touched.exists()


_BOT = """
import os, sys, urllib.request
ours = {"COMMAND", "PROGRAM", "ASSERTED", "ON_INCONCLUSIVE", "PROGRAMS", "PYTHONUTF8"}
if found := ours & set(os.environ):
    sys.exit(f"not its own: {found}")
for _ in range(2):
    urllib.request.urlopen("https://server-prod.hz.vestmarkets.com/v2/ticker/latest")
"""


@pytest.mark.link
@pytest.mark.parametrize(
    ("asserted", "code"), [("connections == 2", 0), ("needless == 0", 1)]
)
def test_the_action_puts_a_program_on_trial(
    act: Callable[..., int], tmp_path: Path, asserted: str, code: int
) -> None:
    bot = tmp_path / "bot.py"
    bot.write_text(_BOT)
    program = f"{sys.executable} -I\n{bot}\n"  # without the guard of the tests

    assert act("exec --rtt 1ms", asserted, program=program) == code
    kept = {path.name for path in (tmp_path / "vestbench-report").iterdir()}
    assert kept == {"result.toml", "result.html", "junit.xml"}


@pytest.mark.link
def test_the_code_of_a_program_that_fails_is_that_of_the_action(
    act: Callable[..., int], tmp_path: Path
) -> None:
    bot = tmp_path / "bot.py"
    bot.write_text("raise SystemExit(9)")

    assert act(program=f"{sys.executable} {bot}") == 9


def test_the_action_runs_a_program_under_no_other_command(
    act: Callable[..., int], tmp_path: Path
) -> None:
    touched = tmp_path / "touched"

    code = act("bench --requests 4", program=f"touch {touched}")

    assert code == 2
    assert not touched.exists()
