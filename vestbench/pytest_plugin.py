"""The pytest plugin: measure in a test, and see the tables where it fails.

    def test_our_client_saves_the_handshake(vestbench):
        assert vestbench.compare("pooled", "unpooled", min_saving="50ms").passed

    def test_our_bot_keeps_its_connections(vestbench):
        assert vestbench.run_program(["node", "bot.js"]).traffic.needless == 0

pytest imports this module in every project that has vestbench installed, so it imports
nothing else before a fixture is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from vestbench.api import Exchange, ProgramResult, Result

_RESULTS = pytest.StashKey["list[Result]"]()


class Vestbench:
    """Measures for one test; takes the arguments of the functions of these names.

    Args:
        measured: Where to note each result, for the report of a failed test.
        results: Folder to keep results in; None keeps none.
    """

    def __init__(self, measured: list[Result], results: str | None) -> None:
        self._measured = measured
        self._results = results

    def bench(self, **options: Any) -> Result:
        """Time cold against subsequent requests."""
        from vestbench.api import bench

        return self._noted(bench(**self._kept(options)))

    def compare(self, *names: str, **options: Any) -> Result:
        """Decide how much one way of connecting saves against another."""
        from vestbench.api import compare

        return self._noted(compare(*names, **self._kept(options)))

    def run_program(self, argv: Sequence[str], **options: Any) -> ProgramResult:
        """Run a program against the simulated exchange, and say what it sent."""
        from vestbench.api import run_program

        result = run_program(argv, **self._kept(options))
        self._measured.append(result)
        return result

    def _kept(self, options: dict[str, Any]) -> dict[str, Any]:
        return {"results": self._results, **options}

    def _noted(self, result: Result) -> Result:
        self._measured.append(result)
        return result


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add where results are kept."""
    group = parser.getgroup("vestbench", "latency of open connections")
    group.addoption(
        "--vestbench-results",
        metavar="FOLDER",
        help="Keep the results of vestbench here. [default: keep none]",
    )


@pytest.fixture
def vestbench(request: pytest.FixtureRequest) -> Vestbench:
    """Measure with `bench`, `compare` and `run_program`; see `vestbench.api`."""
    measured = request.node.stash.setdefault(_RESULTS, [])
    return Vestbench(measured, request.config.getoption("--vestbench-results"))


@pytest.fixture
def simulated_exchange() -> Iterator[Exchange]:
    """Run the simulated Vest exchange: `base_url`, `ca_file` and `traffic`."""
    from vestbench.api import simulated_exchange

    with simulated_exchange() as exchange:
        yield exchange


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Show the tables of what was measured by a test that failed."""
    report = yield
    if report.failed:
        for result in item.stash.get(_RESULTS, ()):
            report.sections.append((f"vestbench {result.run.command}", result.report()))
    return report
