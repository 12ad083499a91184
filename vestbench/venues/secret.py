"""A text that must not be seen: it shows nothing of itself and does not travel."""

from __future__ import annotations

import hmac
from typing import Never


class Secret:
    """A key that no `repr`, message, copy, pickle or log line gives away.

    Only `reveal` returns the text. Keep what it returns inside one expression: a local
    variable would show in a traceback that prints locals.
    """

    __slots__ = ("_text",)

    _text: str

    def __init__(self, text: str) -> None:
        object.__setattr__(self, "_text", text)

    def reveal(self) -> str:
        """Return the text itself."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(…)"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __setattr__(self, name: str, value: object) -> Never:
        raise AttributeError("a secret cannot be changed")

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        # `dataclasses.asdict` copies deeply.
        return self

    def __reduce__(self) -> Never:
        raise TypeError("a secret cannot be pickled")
