"""What a help text names: strategies, stacks, venues and what is asked of them.

A text has the name of a list in braces. The registries are imported when a command's
own help is shown, so that nobody else waits for that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

_LIST = re.compile(r"\{(\w+)\}")


def filled(text: str) -> str:
    """Return a help text with the lists that it names."""
    return _LIST.sub(lambda found: _LISTS[found[1]](), text)


def _strategies() -> str:
    from vestbench.model.strategy import STRATEGIES

    return _and(STRATEGIES)


def _stacks() -> str:
    from vestbench.stacks.registry import STACKS

    return ", ".join(STACKS)


def _venues() -> str:
    from vestbench.venues import venue_names

    return ", ".join(venue_names())


def _endpoints() -> str:
    """Return the endpoints of each venue; those with the same ones stand together."""
    from vestbench.venues import find_venue, venue_names

    found: dict[str, list[str]] = {}
    for name in venue_names():
        endpoints = find_venue(name).endpoints.values()
        public = ", ".join(each.name for each in endpoints if not each.private)
        private = ", ".join(each.name for each in endpoints if each.private)
        asked = f"{public}; with an account {private}" if private else public
        found.setdefault(asked, []).append(name)
    return "; ".join(f"on {_and(names)} {asked}" for asked, names in found.items())


def _keys() -> str:
    from vestbench.venues import find_venue, venue_names

    kinds = [find_venue(name).accounts for name in venue_names()]
    return "; ".join(dict.fromkeys(kind.keys_help for kind in kinds if kind))


def _and(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


_LISTS: dict[str, Callable[[], str]] = {
    "strategies": _strategies,
    "stacks": _stacks,
    "venues": _venues,
    "endpoints": _endpoints,
    "keys": _keys,
}
