"""Programs are kept inside on machines that have the packet link."""

from __future__ import annotations

import pytest

from tests.support.machine import need_link


@pytest.fixture(autouse=True, scope="package")
def can_keep_programs_inside() -> None:
    need_link("packet")
