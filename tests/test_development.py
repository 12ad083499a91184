"""The page for who works on vestbench: it speaks of what is there."""

from __future__ import annotations

import re

from tests.support.paths import ROOT

PAGE = (ROOT / "DEVELOPMENT.md").read_text(encoding="utf-8")
PROSE = re.sub(r"^```.*?^```$", "", PAGE, flags=re.MULTILINE | re.DOTALL)
PACKAGE = ROOT / "vestbench"
# Folders that are named inside another one's row.
WITHIN = ("", "simulator", "stacks", "venues", "studies")


def test_every_path_that_is_mentioned_exists() -> None:
    spans = re.findall(r"`([\w.]+(?:/[\w.]*)+|\w+\.py)`", PROSE)
    places = [ROOT, *(PACKAGE / folder for folder in WITHIN)]

    assert len(spans) > 30
    missing = [s for s in spans if not any((p / s).exists() for p in places)]
    assert missing == []


def test_every_part_of_the_package_has_its_place_in_the_tree() -> None:
    rows = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    named = {span for row in rows for span in re.findall(r"`([\w./]+)`", row)}
    parts = {
        f"{path.name}/" if path.is_dir() else path.name
        for path in PACKAGE.iterdir()
        if path.is_dir() or path.suffix == ".py"
    }

    assert parts - named - {"__pycache__/", "__init__.py", "__main__.py"} <= {
        "toml_file.py",
        "_version.py",
    }


def test_every_session_that_is_named_is_one() -> None:
    sessions = (ROOT / "noxfile.py").read_text(encoding="utf-8")

    for name in re.findall(r"nox -s (\w+)", PAGE):
        assert f"def {name}(" in sessions
