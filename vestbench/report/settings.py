"""The settings in force as a table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from rich import box
from rich.table import Table

from vestbench.report.units import plain


class _Setting(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def option(self) -> str: ...
    @property
    def variable(self) -> str: ...
    @property
    def help(self) -> str: ...


class _Value(Protocol):
    @property
    def setting(self) -> _Setting: ...
    @property
    def text(self) -> str: ...
    @property
    def source(self) -> str: ...


def settings_table(values: Iterable[_Value]) -> Table:
    """Return each setting with its value, its source, and how to change it."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for heading in ("setting", "value", "from", "option", "environment"):
        table.add_column(heading, overflow="fold")
    for value in values:
        setting = value.setting
        table.add_row(
            setting.name,
            plain(value.text),
            plain(value.source),
            setting.option,
            setting.variable,
        )
    return table
