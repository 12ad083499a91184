"""Measure what an open HTTP connection saves, and prove that it stays open.

`bench`, `compare`, `run_program` and `simulated_exchange` are imported when they are
first used, so that importing the package, as the command line does, takes no time. It
must import nothing from outside: see `vestbench.isolation`.
"""

from vestbench._version import __version__ as __version__

TYPE_CHECKING = False  # as mypy knows it; importing typing is felt in the lab's start
if TYPE_CHECKING:
    from vestbench.api import (
        Account,
        Counts,
        Exchange,
        ProgramResult,
        Result,
        bench,
        compare,
        run_program,
        simulated_exchange,
    )

__all__ = [
    "Account",
    "Counts",
    "Exchange",
    "ProgramResult",
    "Result",
    "bench",
    "compare",
    "run_program",
    "simulated_exchange",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from vestbench import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
