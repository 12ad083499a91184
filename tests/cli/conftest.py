"""A comparison that passed, and an environment that is no job of GitHub's."""

from __future__ import annotations

import pytest

from tests.support.command import QUICK
from tests.support.compare_commands import EASY, Shown, compare, passed_run


@pytest.fixture(autouse=True)
def _not_in_a_job_of_github(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def passed(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    if not passed_run:
        path = tmp_path_factory.mktemp("compare") / "passed.toml"
        words = ("--seed", "7", *EASY, *QUICK, "-o", str(path))
        passed_run.append(Shown(path, compare("pooled", "unpooled", *words)))
    return passed_run[0]
