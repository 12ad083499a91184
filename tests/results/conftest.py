"""Stored runs of each sort, for what strangers do to them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.records import store
from tests.support.strangers import runs


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    folder = tmp_path_factory.mktemp("stored")
    return {name: store(run, folder / f"{name}.toml") for name, run in runs().items()}
