"""HTTP libraries beside each other: what each can do, and what it does not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vestbench.model.client import StackAbility
from vestbench.report.sheet import GAP, Part, Table, Text, facts_table
from vestbench.report.units import ABSENT


def stacks_report(abilities: Sequence[StackAbility]) -> list[Part]:
    """Return what each stack can do, its proofs, and its differences from the bot."""
    unhonoured = [
        (each.stack, setting, why)
        for each in abilities
        for setting, why in each.unhonoured.items()
    ]
    return [
        _abilities_table(abilities),
        Text("proof that a connection was reused", "bold"),
        facts_table("Proofs", ((each.stack, each.proof) for each in abilities)),
        GAP,
        Text("which of a name's addresses it connects to", "bold"),
        facts_table("Addresses", ((each.stack, each.addresses) for each in abilities)),
        GAP,
        unhonoured_table(unhonoured),
    ]


def _abilities_table(abilities: Iterable[StackAbility]) -> Table:
    columns = ["stack", "version", "shows", "ways of connecting", "to install"]
    table = Table("What each stack can do", columns)
    for each in abilities:
        table.add_row(
            Text(each.stack, "bold" if each.installed else "dim"),
            each.version or "not installed",
            "phases" if each.phases else "the whole call",
            ", ".join(each.strategies) or ABSENT,
            each.install or ABSENT,
        )
    return table


def unhonoured_table(unhonoured: Iterable[tuple[str, str, str]]) -> Table:
    """Return pool settings that a stack does not do quite as the bot's client.

    Args:
        unhonoured: Stack, setting and what the stack does instead.
    """
    about = "Pool settings that a stack does not honour"
    table = Table(about, ["stack", "pool setting", "what it does instead"])
    for each in unhonoured:
        table.add_row(*each)
    return table
