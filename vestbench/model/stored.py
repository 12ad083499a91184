"""What records that stand in a result file are made of."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Annotated, Any, Self, TypeAlias

from msgspec import Meta, Struct, to_builtins
from msgspec.structs import replace

Count: TypeAlias = Annotated[int, Meta(ge=0, le=10**12)]
Seed: TypeAlias = Annotated[int, Meta(ge=0, le=2**63 - 1)]
# Numbers of a file may be enormous, and would make nonsense of all that is computed.
Duration: TypeAlias = Annotated[float, Meta(ge=0, le=9e9)]
Share: TypeAlias = Annotated[float, Meta(ge=0, le=1)]


class Stored(
    Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """A record that stands in a result file."""

    @classmethod
    def like(cls, source: object, **others: Any) -> Self:
        """Build a record from `source`'s fields of the same names.

        What is in `others` overrides them.
        """
        names = [name for name in cls.__struct_fields__ if name not in others]
        return cls(**{name: getattr(source, name) for name in names}, **others)

    def changed(self, **fields: Any) -> Self:
        """Return it with some fields changed."""
        return replace(self, **fields)

    def stored(self) -> dict[str, Any]:
        """Return it as nested plain values, without the fields that have defaults."""
        plain: dict[str, Any] = to_builtins(self, builtin_types=(date, datetime, time))
        return plain
