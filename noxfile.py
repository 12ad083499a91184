"""The checks of this repository; CI runs nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import ExitStack
from glob import glob
from pathlib import Path

import nox
from nox.command import CommandFailed

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "virtualenv"

PROJECT = nox.project.load_toml("pyproject.toml")
# Most tests wait for processes and sockets; more at once would wait for a processor.
SIDE_BY_SIDE = ("--numprocesses", "auto", "--maxprocesses", "4")
PYTHONS = nox.project.python_versions(PROJECT)
# Modules of packet links and of the kernel's timestamps: no other imports them there.
LINUX_ONLY = (
    r"vestbench/(kernel/stamped|simulator/(lab|lab_client|lab_start"
    r"|link/(netns|devices|forwarder|lab_link|catching))"
    r"|programs/(keeper|keeping|walls|local_ports|terminal|running))\.py"
)


def _group(name: str) -> tuple[str, ...]:
    return nox.project.dependency_groups(PROJECT, name)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting."""
    session.install(*_group("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def typecheck(session: nox.Session) -> None:
    """Check types, strictly, in the package and in its tests."""
    session.install("-e", ".[all]", *_group("typecheck"))
    session.run("mypy")
    for platform in ("win32", "darwin"):
        # What is written for another system is never reached there.
        words: tuple[str, ...] = ("--no-warn-unreachable", "--follow-imports", "silent")
        words = (*words, "--exclude", LINUX_ONLY, "vestbench")
        session.run("mypy", "--platform", platform, *words)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests on the Python that runs nox."""
    _test(session)


@nox.session(python=PYTHONS, default=False)
def matrix(session: nox.Session) -> None:
    """Run the tests on every supported Python."""
    _test(session)


def _test(session: nox.Session) -> None:
    session.install("-e", ".[all]", *_group("test"))
    session.run("python", "-VV")
    try:
        session.run("pytest", *SIDE_BY_SIDE, *session.posargs)
    except CommandFailed:
        # Beside others a test may fail for want of time or room, which is a fault of
        # the test; one that fails by itself is a fault of the package.
        session.warn("what failed beside others, named above, is run again by itself")
        alone = ("--last-failed", "--last-failed-no-failures", "none")
        session.run("pytest", *alone, *session.posargs)


@nox.session(default=False)
def loaded(session: nox.Session) -> None:
    """Run the tests twice in random order, beside a busy loop for each processor."""
    session.install("-e", ".[all]", *_group("test"), "pytest-randomly")
    busy = (str(Path(session.bin) / "python"), "-c", "while True: pass")
    with ExitStack() as loops:
        for _ in range(os.cpu_count() or 1):
            loops.callback(subprocess.Popen(busy).kill)
        for _ in range(2):
            session.run("pytest", *session.posargs)


@nox.session(default=False)
def statistics(session: nox.Session) -> None:
    """Check false verdicts and coverage by simulation; writes results/."""
    session.install("-e", ".[all]", *_group("test"))
    study = "tests.bench.operating_characteristics"
    output = ("--output", "results/statistics.toml")
    session.run("python", "-m", study, *(session.posargs or output))
    if not session.posargs:
        session.run("python", "-m", "tests.bench.stable_series")


@nox.session(default=False)
def coverage(session: nox.Session) -> None:
    """Check intervals against the emulated link's known truth; writes results/."""
    session.install("-e", ".[all]", *_group("test"))
    output = ("--output", "results/coverage.toml")
    session.run("python", "-m", "tests.bench.coverage", *(session.posargs or output))


@nox.session(default=False)
def accuracy(session: nox.Session) -> None:
    """Hold what is measured against the kernel and other programs; 9 minutes."""
    peers = ("peers", "servers", "load_tools")
    _study(session, "accuracy", *peers, "program_phases")


@nox.session(default=False)
def overhead(session: nox.Session) -> None:
    """Hold what the tool itself costs against bare programs; 5 minutes."""
    starts = ("start_up", "typer_versions")
    others = ("client_cost", "verdict_cost", "throughput", "program_cost")
    _study(session, *starts, *others)


@nox.session(default=False)
def memory(session: nox.Session) -> None:
    """Hold the memory of a million requests against its limit; 20 minutes."""
    _study(session, "memory")


def _study(session: nox.Session, *modules: str) -> None:
    """Run these studies, or those named after `--`; a missed bar ends none of them."""
    session.install("-e", ".[all]", *_group("test"))
    missed = []
    for module in session.posargs or modules:
        name = "kernel" if module == "accuracy" else module.replace("_", "-")
        group = "accuracy" if session.name == "accuracy" else "overhead"
        output = f"results/{group}-{name}.toml"
        study = ("python", "-m", f"tests.bench.{module}", "--output", output)
        try:
            session.run(*study)
        except CommandFailed:
            missed.append(module)
    session.run("python", "-m", "tests.bench.exactness")  # the README quotes them
    if missed:
        session.error(f"failed, or missed a bar: {', '.join(missed)}")


@nox.session(default=False)
def browser(session: nox.Session) -> None:
    """Open pages of runs in headless Chromium; needs apt-get install chromium."""
    names = ("chromium", "chromium-browser", "google-chrome")
    if not any(map(shutil.which, names)):
        session.error(f"no browser ({', '.join(names)}): apt-get install chromium")
    session.install("-e", ".", *_group("test"))
    session.run("pytest", "tests/browser/pages.py", *session.posargs)


@nox.session(default=False)
def metrics(session: nox.Session) -> None:
    """Have promtool check metrics of runs; needs apt-get install prometheus."""
    if not shutil.which("promtool"):
        session.error("no promtool: apt-get install prometheus")
    session.install("-e", ".", *_group("test"))
    session.run("pytest", "tests/report/promtool.py", *session.posargs)


# What has to be there to run the programs that bots are made of, and where Debian's
# packages have it. The crates are the story's client's, so nothing is downloaded.
_CRATES = "/usr/share/cargo/registry"
_COMMANDS = {
    "curl": "curl",
    "node": "nodejs",
    "go": "golang-go",
    "javac": "default-jdk-headless",
    "cargo": "cargo",
}
_LIBRARIES = {
    f"{_CRATES}/reqwest-*": "librust-reqwest-dev",
    f"{_CRATES}/tokio-1*": "librust-tokio-dev",
    f"{_CRATES}/log-*": "librust-log-dev",
}


@nox.session(default=False)
def programs(session: nox.Session) -> None:
    """Run programs of many languages inside, and hold them to their own count."""
    _need(session, *_COMMANDS)
    libraries = ("aiohttp", "ccxt", "requests")
    session.install("-e", ".[all]", *_group("test"), *libraries)
    session.run("pytest", "tests/programs/real_programs.py", *session.posargs)


@nox.session(default=False)
def story(session: nox.Session) -> None:
    """Ask the story's own bot what its change has bought it; 13 minutes."""
    _need(session, "cargo")
    session.install("-e", ".[all]", *_group("test"))
    session.run("python", "-m", "tests.bench.story", *session.posargs)
    session.run("python", "-m", "tests.bench.exactness")  # the README quotes it


def _need(session: nox.Session, *commands: str) -> None:
    """Install the crates and those of these commands that are not there, if root."""
    missing = [_COMMANDS[name] for name in commands if not shutil.which(name)]
    missing += [p for pattern, p in _LIBRARIES.items() if not glob(pattern)]
    if missing:
        install = ("apt-get", "install", "--yes", "--no-install-recommends", *missing)
        if os.geteuid():
            session.error(f"not installed: as root, {' '.join(install)}")
        session.run(*install, external=True)


@nox.session(default=False)
def windows(session: nox.Session) -> None:
    """Type commands to a Windows Python under wine; needs apt-get install wine wine64.

    Consoles and signing need wine 10, which Debian 13 has.
    """
    if not shutil.which("wine"):
        session.error("no wine: apt-get install wine wine64")
    session.install("-e", ".[all]", *_group("test"))
    folder = str(Path(session.create_tmp()).resolve() / "rig")
    session.run("python", "-m", "tests.systems.rig", folder)
    tests = ("tests/systems/commands.py", "tests/systems/windows.py")
    env = {"VESTBENCH_WINDOWS": folder}
    session.run("pytest", *(session.posargs or tests), env=env)


@nox.session(default=False)
def macos(session: nox.Session) -> None:
    """Type commands to a Python that knows no name of Linux alone: a simulation."""
    session.install("-e", ".[all]", *_group("test"))
    session.log("macOS is simulated: names are taken away, the kernel is Linux's")
    session.run("pytest", "tests/systems/commands.py", *session.posargs)


@nox.session(default=False)
def faults(session: nox.Session) -> None:
    """Disturb 200 runs at moments drawn by lot; they lose a second at most."""
    session.install("-e", ".", *_group("test"))
    session.run("python", "-m", "tests.bench.sudden_ends", *session.posargs)


@nox.session(default=False)
def fuzz(session: nox.Session) -> None:
    """Have results, settings and keys from strangers read for a minute."""
    session.install("-e", ".", *_group("test"))
    session.run("python", "-m", "tests.bench.fuzz", *session.posargs)


@nox.session(python=PYTHONS[0], default=False)
def minimums(session: nox.Session) -> None:
    """Run the tests with the lowest versions that pyproject.toml allows."""
    session.install("-r", _resolved(session, "lowest-direct"))
    session.install("--no-deps", "-e", ".")
    session.run("pytest", *session.posargs)


@nox.session(default=False)
def audit(session: nox.Session) -> None:
    """Look the newest and the lowest allowed versions up among known weaknesses."""
    session.install("pip-audit")
    for resolution in ("highest", "lowest-direct"):
        versions = _resolved(session, resolution, "--no-emit-package=vestbench")
        words = ("--no-deps", "--disable-pip", "--strict", "-r", versions)
        found = session.run("pip-audit", *words, success_codes=range(256), silent=True)
        session.log(found)
        if "No known vulnerabilities found" not in str(found):
            session.error(
                f"{versions} is not known to be clean: a weakness is named above, "
                "or PyPI's advisories could not be reached, and nothing is known"
            )


def _resolved(session: nox.Session, resolution: str, *words: str) -> str:
    """Return a file with a version of everything that an installation may need."""
    session.install("uv")
    path = str(Path(session.create_tmp()) / f"{resolution}.txt")
    compiled = ("uv", "pip", "compile", "--quiet", "--python-version", PYTHONS[0])
    wanted = ("--resolution", resolution, "--all-extras", "--group", "test")
    session.run(*compiled, *wanted, *words, "-o", path, "pyproject.toml")
    return path


@nox.session
def smoke(session: nox.Session) -> None:
    """Look for keys in what is published, install it alone, and do the main jobs.

    GitHub runs it on Linux, macOS and Windows.
    """
    folder = Path(session.create_tmp())
    for old in folder.glob("vestbench-*"):
        old.unlink()
    session.run("pip", "wheel", "-q", "--no-deps", "-w", str(folder), ".")
    (wheel,) = folder.glob("vestbench-*.whl")
    session.install("build")
    session.run("python", "-m", "build", "--sdist", "--outdir", str(folder), ".")
    (sdist,) = folder.glob("vestbench-*.tar.gz")
    session.run("python", "-m", "tests.bench.artefacts", str(wheel), str(sdist))
    session.install(str(wheel))
    with session.chdir(folder):  # so that the checkout is not what is imported
        session.run("vestbench", "--version")
        session.run("vestbench", "doctor")
        session.run("vestbench", "bench", "--rtt", "0ms", "--requests", "40")
        session.run("vestbench", "bench", "--requests", "60", "--min-saving", "40ms")
        compared = ("compare", "pooled", "unpooled", "--min-saving", "40ms")
        session.run("vestbench", *compared, "--quiet")
        session.run("vestbench", "warmup", "--rounds", "3", "--quiet")
        session.install("pytest")
        Path("test_smoke.py").write_text(PLUGIN, encoding="utf-8")
        session.run("pytest", "-q", "-p", "no:cacheprovider", "test_smoke.py")


PLUGIN = """
def test_connections_are_kept(vestbench):
    quick = {"rtt": "0ms", "requests": 40, "assertions": ["reused == 100%"]}
    assert vestbench.bench(**quick).passed
"""


# What the latency job asks for; broken pooling has to fail the same.
_GATE = ("compare", "pooled", "unpooled", "--max-rounds", "400")
_ASSERTED = ("--assert", "pooled.reused == 100%", "--assert", "failures == 0")
LATENCY = {
    "auto": (*_GATE, *_ASSERTED, "--min-saving", "auto"),
    "50ms": (*_GATE, *_ASSERTED, "--min-saving", "50ms", "--rtt", "30ms"),
}
BROKEN = {
    "exchange-closes": ("--max-requests", "1"),
    "pool-keeps-nothing": ("--pool-max-idle", "0"),
}


@nox.session
def latency(session: nox.Session) -> None:
    """Assert what pooling saves, and that this goes red when pooling is broken.

    Results, pages and JUnit go to the folder given after --, or to a temporary one.
    """
    session.install(".")
    wanted = session.posargs[0] if session.posargs else session.create_tmp()
    folder = Path(wanted).resolve()
    with session.chdir(session.create_tmp()):  # so that the checkout is not imported
        for name, words in LATENCY.items():
            result = folder / f"{name}.toml"
            page, cases = (result.with_suffix(end) for end in (".html", ".xml"))
            documents = ("--html", str(page), "--junit", str(cases))
            session.run("vestbench", *words, "--output", str(result), *documents)
        code = 5  # invalid, whatever was asked
        for name, words in BROKEN.items():
            for asked in (
                LATENCY["50ms"],
                ("bench", "-n", "40", "--assert", "reused == 100%"),
            ):
                result = Path(f"broken-{name}-{asked[0]}.toml")
                output = ("--quiet", "--no-github", "--output", str(result))
                session.log(f"broken on purpose: {name}; must exit with {code}")
                command = ("vestbench", *asked, *words, *output)
                session.run(*command, success_codes=[code])
