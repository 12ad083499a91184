"""Which files and variables make programs trust us, and which Pythons are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from vestbench.programs import trust
from vestbench.programs.messages import OWN


def bundle(folder: Path, name: str = "certifi") -> str:
    path = folder / name / "cacert.pem"
    path.parent.mkdir(parents=True)
    path.write_text("roots")
    return str(path)


def program(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def found(argv0: str, cwd: Path, **env: str) -> set[str]:
    given = {"PATH": "/nowhere", **env}
    return set(trust.bundles([argv0], given, cwd)) - set(trust.BUNDLES)


def test_the_environment_of_the_interpreter_is_looked_through(tmp_path: Path) -> None:
    venv = tmp_path / "env"
    python = program(venv / "bin" / "python")
    packages = venv / "lib" / "python3.11" / "site-packages"
    wanted = {bundle(packages), bundle(packages, "pip/_vendor/certifi")}

    assert found(str(python), tmp_path) == wanted


def test_the_interpreter_of_a_script_is_found_by_its_first_line(tmp_path: Path) -> None:
    python = program(tmp_path / "env" / "bin" / "python3")
    wanted = bundle(tmp_path / "env" / "lib" / "python3.12" / "site-packages")
    for line in (f"#!{python}\n", "#!/usr/bin/env python3\n"):
        script = program(tmp_path / "bot", line)

        assert found(str(script), tmp_path, PATH=str(python.parent)) == {wanted}


@pytest.mark.parametrize("name", [".venv", "venv"])
def test_environments_of_the_working_folder_are_found(
    tmp_path: Path, name: str
) -> None:
    wanted = bundle(tmp_path / name / "lib" / "python3.11" / "site-packages")

    assert found("uv", tmp_path) == {wanted}


def test_the_environment_that_is_active_and_pythonpath_are_found(
    tmp_path: Path,
) -> None:
    active, own = tmp_path / "active", tmp_path / "own"
    wanted = {bundle(active / "lib" / "python3.11" / "site-packages"), bundle(own)}

    assert found("x", tmp_path, VIRTUAL_ENV=str(active), PYTHONPATH="own") == wanted


def test_folders_that_a_pth_file_adds_are_found(tmp_path: Path) -> None:
    packages = tmp_path / ".venv" / "lib" / "python3.11" / "site-packages"
    packages.mkdir(parents=True)
    wanted = bundle(tmp_path / "more")
    (packages / "more.pth").write_text(f"import this\n{tmp_path / 'more'}\n/nowhere\n")

    assert found("x", tmp_path) == {wanted}


def test_a_base_python_is_found_behind_its_environment(tmp_path: Path) -> None:
    venv, base = tmp_path / "env", tmp_path / "base"
    program(venv / "bin" / "python")
    (venv / "pyvenv.cfg").write_text(f"home = {base / 'bin'}\nversion = 3.11\n")
    wanted = bundle(base / "lib" / "python3.11" / "site-packages")

    assert found(str(venv / "bin" / "python"), tmp_path) == {wanted}


def test_what_leads_elsewhere_is_taken_away_and_the_rest_stays() -> None:
    given = {
        "HTTPS_PROXY": "http://p:1",
        "no_proxy": "*",
        "SSL_CERT_DIR": "/certs",
        "DBUS_SESSION_BUS_ADDRESS": "unix:path=/run/user/1/bus",
        "API_KEY": "mine",
        "JAVA_TOOL_OPTIONS": "-Xmx1g",
    }

    inside = trust.environment(given)

    assert not {*list(given)[:4]} & inside.keys()
    assert inside["API_KEY"] == "mine"
    assert inside["JAVA_TOOL_OPTIONS"].startswith("-Xmx1g -Djavax.net.ssl.trustStore=")
    assert inside["SSL_CERT_FILE"] == f"{OWN}/{trust.ROOTS}"
    assert inside["NODE_EXTRA_CA_CERTS"] == f"{OWN}/{trust.CA}"


def test_the_roots_hold_those_of_the_system_and_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = tmp_path / "system.pem"
    system.write_text("theirs")
    monkeypatch.setattr(trust, "BUNDLES", ("/nowhere", str(system)))

    files = trust.files("ours", b"store")

    assert files == {
        trust.ROOTS: b"theirs\nours",
        trust.CA: b"ours",
        trust.STORE: b"store",
    }
