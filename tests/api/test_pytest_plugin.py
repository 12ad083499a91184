"""The pytest plugin in a project of its own: used, failing, and not there at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.machine import need_link

INI = """
[pytest]
filterwarnings = error
"""

MEASURED = """
def test_it(vestbench):
    quick = {"rtt": "0ms", "seed": 1}
    assert vestbench.%s.passed
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makefile(".ini", pytest=INI)
    return pytester


def run(project: pytest.Pytester, *words: str) -> pytest.RunResult:
    # In the order in which they stand there, whatever plugins are installed.
    plain = ("-p", "no:cacheprovider", "-p", "no:randomly")
    return project.runpytest_subprocess(*plain, *words)


def test_a_test_passes_where_the_saving_is_met(project: pytest.Pytester) -> None:
    call = 'compare("pooled", "unpooled", min_saving="0.01ms", **quick)'
    project.makepyfile(MEASURED % call)

    result = run(project)

    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*evidence*")
    assert not (project.path / "results").exists()


def test_tests_that_fail_show_their_tables_and_others_do_not(
    project: pytest.Pytester,
) -> None:
    calls = {
        "missed": 'compare("pooled", "unpooled", min_saving="500ms", **quick)',
        "doubtful": 'bench(requests=20, sessions=5, min_saving="0.01ms", **quick)',
        "asserted": 'bench(requests=24, assertions=["cold.max <= 1us"], **quick)',
        "met": 'bench(requests=24, assertions=["failures == 0"], **quick)',
    }
    parts = [MEASURED.replace("_it", f"_{n}") % call for n, call in calls.items()]
    parts.append("def test_other(vestbench):\n    assert False\n")
    project.makepyfile("\n".join(parts))

    result = run(project, "--vestbench-results", "kept")

    result.assert_outcomes(passed=1, failed=4)
    result.stdout.fnmatch_lines(
        [
            "*<Result FAIL: pooled-unpooled, saving >= 500ms: FAIL*",
            "*- vestbench compare -*",
            "pooled saves * ms per request, *FAIL against ≥ 500 ms after * rounds",
            "*simulated exchange on loopback*",
            "*ms*requests*reused*",
            "*pooled * of *",
            "*<Result INCONCLUSIVE: pooled, *",
            "*- vestbench bench -*",
            "* cold.max <= 1us *FAIL* ms * 12 requests*",
        ]
    )
    text = result.stdout.str()
    assert text.count("- vestbench bench -") == 2
    assert "- vestbench" not in text.partition("_ test_other _")[2]
    kept = sorted(path.name for path in (project.path / "kept").iterdir())
    assert sum("-bench-pooled" in name for name in kept) == 3
    assert sum("-compare-pooled-unpooled" in name for name in kept) == 1


def test_the_exchange_answers_while_the_test_runs(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import ssl
        from urllib.request import Request, urlopen

        def test_it(simulated_exchange):
            context = ssl.create_default_context(cafile=simulated_exchange.ca_file)
            request = Request(
                simulated_exchange.base_url + "/exchangeInfo",
                headers={"xrestservermm": "restserver0"},
            )
            with urlopen(request, context=context, timeout=30) as answer:
                assert answer.status == 200
            assert simulated_exchange.counters().requests == 1
        """
    )

    run(project).assert_outcomes(passed=1)


def test_a_plugin_that_is_not_used_imports_itself_and_nothing_else(
    project: pytest.Pytester,
) -> None:
    project.makepyfile(
        """
        import sys
        from pathlib import Path

        def test_it():
            Path("modules.txt").write_text("\\n".join(sys.modules))
        """
    )
    seen = []
    for words in ((), ("-p", "no:vestbench")):
        run(project, *words).assert_outcomes(passed=1)
        seen.append(set(Path(project.path / "modules.txt").read_text().split("\n")))

    itself = {"vestbench", "vestbench._version", "vestbench.pytest_plugin"}
    assert seen[0] - seen[1] == itself
    assert seen[1] - seen[0] == set()


def test_the_fixtures_and_the_option_say_what_they_are(
    project: pytest.Pytester,
) -> None:
    result = run(project, "--fixtures")

    result.stdout.fnmatch_lines(["*vestbench*pytest_plugin.py*", "*Measure with*"])
    run(project, "--help").stdout.fnmatch_lines(["*--vestbench-results=FOLDER*"])


PROGRAM = """
import sys

SENDS = (
    "import http.client as h\\n"
    "for _ in 'abc':\\n"
    "    c = h.HTTPSConnection('a.example'); c.request('GET', '/x')\\n"
    "    c.getresponse().read(); c.close()"
)

def test_it(vestbench):
    found = vestbench.run_program([sys.executable, "-I", "-c", SENDS], rtt="5ms")
    assert found.status == 0
    assert found.traffic.requests == 3
    assert found.traffic.needless == 0, found.traffic.told
"""


@pytest.mark.link
def test_a_test_that_finds_needless_connections_shows_the_account(
    project: pytest.Pytester,
) -> None:
    need_link("packet")
    project.makepyfile(PROGRAM)

    result = run(project, "--vestbench-results", "kept")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*AssertionError: 3 requests over 3 connections, 2 of them needless*",
            "*vestbench exec*",
            "Your program sent 3 requests over 3 connections. 2 of them were needless*",
        ]
    )
    assert len(list((project.path / "kept").glob("*-exec-*.toml"))) == 1
