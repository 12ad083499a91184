"""A study that only this test knows, found by everything that is told of its run."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner, Result

from tests.support.paths import RESULTS
from tests.support.records import STARTED, conclusion_of, conditions_of, sample, store
from vestbench.assertions.estimates import Estimate, counted
from vestbench.assertions.grammar import OF_REQUESTS, Quantity, Unit
from vestbench.assertions.grammar import Assertion as Asserted
from vestbench.cli import app
from vestbench.model.record import Record
from vestbench.model.request import Outcome
from vestbench.model.run import Confidence, Plan, RunOf
from vestbench.model.stored import Count, Duration
from vestbench.report.sheet import Table, Text, numbers
from vestbench.stats.bounds import Bounds
from vestbench.stats.decision import Settling, settled, summarise
from vestbench.studies import registry
from vestbench.studies.base import Findings, Saving, Sides, Study, all_outcomes

NEIGHBOURS = Quantity(name="neighbours", units=(Unit.COUNT,), taken="a whole number")


class CensusPlan(Plan, frozen=True, kw_only=True):
    """What was asked for."""

    streets: Count
    confidence: Confidence
    interval_s: Duration
    max_rate: Duration
    seed: Count
    http2: bool = False
    assertions: tuple[str, ...] = ()


CensusRun = RunOf[CensusPlan]


class CensusSummary(Record, frozen=True, kw_only=True):
    """How many there are."""

    people: int


class _Census(Study[CensusPlan]):
    name = "census"
    plan = CensusPlan
    summary = CensusSummary
    quantities = (NEIGHBOURS, *OF_REQUESTS)
    collections = ("houses",)

    def groups(self, plan: CensusPlan) -> tuple[str, ...]:
        return tuple(f"street-{number}" for number in range(plan.streets))

    def sides(self, run: CensusRun) -> Sides:
        outcomes = ((o.slot.arm, o) for o in all_outcomes(run))
        return Sides(names=self.groups(run.plan), outcomes=outcomes)

    def summarise(self, run: CensusRun) -> CensusSummary:
        return CensusSummary(people=len(run.samples))

    def saving(self, run: CensusRun) -> Saving:
        each = [12.0 for _ in run.samples]
        bounds = [Bounds(lo=value, hi=value) for value in each]
        median = summarise(bounds, target=0.0, confidence=run.plan.confidence)
        return Saving(
            compared="street by street",
            n=len(each),
            median=median,
            acceptance=None,
            each=each,
        )

    def settlings(self, run: CensusRun) -> tuple[Settling, ...]:
        bounds = [Bounds(lo=12.0, hi=12.0) for _ in run.samples]
        return (settled("street", bounds, 10.0, run.plan.confidence),)

    def estimates(
        self, run: CensusRun, assertion: Asserted
    ) -> Iterator[tuple[str, Estimate]]:
        if assertion.term.about is NEIGHBOURS:
            yield assertion.term.name, counted(len(run.samples) - 1, len(run.samples))
        else:
            yield from super().estimates(run, assertion)

    def meant(self, run: CensusRun, assertion: Asserted) -> Iterator[Outcome]:
        if assertion.term.group != "houses":
            return self.requests(run, assertion.term.group)
        house = assertion.term.key
        return (o for o in all_outcomes(run) if f"no. {o.slot.session}" == house)

    def findings(self, run: CensusRun) -> Findings:
        table = Table("Streets", ["street", *numbers("people")])
        table.add_row("the only one", str(len(run.samples)))
        return Findings(
            headline=(Text(f"{len(run.samples)} people were counted"),),
            parts=(table,),
            warnings=("nobody was at home in one house",),
        )


CENSUS = _Census()


@pytest.fixture
def file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(registry, "_STUDIES", {**registry._STUDIES})
    registry.register("census", f"{__name__}:CENSUS")
    run = RunOf(
        command="census",
        label="all",
        started=STARTED,
        plan=CensusPlan(
            streets=2,
            confidence=0.95,
            interval_s=0.0,
            max_rate=0.0,
            seed=7,
            assertions=("neighbours >= 1",),
        ),
        conditions=conditions_of({"strategy": "counted"}),
        samples=tuple(sample(n, arm=f"street-{n % 2}") for n in range(12)),
        failures=(),
        conclusion=conclusion_of(),
    )
    return store(run, tmp_path / "results" / "census.toml")


def vestbench(*words: object) -> Result:
    result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_its_report_has_what_every_report_has_and_what_it_says_itself(
    file: Path,
) -> None:
    shown = vestbench("report", file)

    assert shown.exit_code == 0
    assert "12 people were counted" in shown.stdout
    assert "the only one" in shown.stdout
    assert "neighbours >= 1" in shown.stdout
    assert "simulated link, RTT 30 ms" in shown.stdout
    assert "warning: nobody was at home in one house" in shown.stdout
    assert "12 people were counted" in vestbench("report", file, "--quiet").stdout


def test_its_document_is_in_the_schema(file: Path) -> None:
    schema = json.loads(vestbench("report", "--schema", "-").stdout)
    document = json.loads(vestbench("report", file, "--json").stdout)

    assert document["summary"] == {"people": 12}
    assert document["plan"]["streets"] == 2
    Draft202012Validator(schema).validate(document)
    document["summary"] = {"animals": 12}
    assert list(Draft202012Validator(schema).iter_errors(document)) != []


def test_it_is_judged_by_what_it_declares(file: Path) -> None:
    words = ("--assert", "neighbours == 11", "--assert", "street-1.p50 <= 1s")

    assert vestbench("gate", file).exit_code == 0
    assert vestbench("gate", file, *words).exit_code == 0
    assert vestbench("gate", file, "--assert", "neighbours > 11").exit_code == 1
    refused = vestbench("gate", file, "--assert", "saving >= 1ms")
    assert refused.exit_code == 2
    assert "a run of census has no saving" in refused.stderr


@pytest.mark.parametrize(
    ("assertion", "code"),
    [
        ('houses["no. 3"].requests == 1', 0),
        ('houses["no. 3"].requests == 2', 1),
        ('houses["no. 3"].requests <= connections', 0),
        ('houses["no. 3"].share <= 60%', 0),
        ('houses["no. 3"].p50 <= 1s', 3),
        ('houses["no. 30"].p50 <= 1s', 5),
        ('gardens["no. 3"].requests == 1', 2),
    ],
)
def test_it_is_judged_by_a_quantity_of_something_by_name(
    file: Path, assertion: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")  # for the assertion in one line

    shown = vestbench("gate", file, "--assert", assertion)

    assert shown.exit_code == code, shown.output
    assert (assertion in " ".join(shown.output.split())) == (code != 2)


def test_a_quantity_by_name_is_refused_where_nothing_has_a_name() -> None:
    assertion = 'houses["no. 3"].requests == 1'
    file = RESULTS / "reference-bench-30ms.toml"

    refused = vestbench("gate", file, "--assert", assertion)

    assert refused.exit_code == 2
    assert "runs of bench have no quantities by name" in refused.stderr


@pytest.mark.parametrize(
    "member", ["groups", "sides", "summarise", "saving", "findings"]
)
def test_a_study_without_a_member_that_it_has_to_have_cannot_be_made(
    member: str,
) -> None:
    members = {name: value for name, value in vars(_Census).items() if name != member}
    kind = type("_Census", (Study,), members)

    with pytest.raises(TypeError, match=member):
        kind()


def test_it_is_in_lists_and_series_of_runs(file: Path) -> None:
    assert "census all" in vestbench("history", file.parent).stdout
    trend = vestbench("trend", file.parent)
    assert "street by street" in trend.stdout
    assert "0.40 to 0.40 round trips" in trend.stdout


def test_it_is_in_every_document(file: Path) -> None:
    page, text, junit, metrics, table = (
        vestbench("report", file, option, "-").stdout
        for option in ("--html", "--markdown", "--junit", "--prometheus", "--csv")
    )

    assert "12 people were counted" in page
    assert "Saving of each street" in page
    assert "| the only one | 12 |" in text
    assert "neighbours &gt;= 1" in junit
    assert 'command="census"' in metrics
    assert 'group="street-1"' in metrics
    rows = csv.DictReader(io.StringIO(table))
    assert [row["arm"] for row in rows] == 6 * ["street-0", "street-1"]


def test_a_plan_that_is_not_of_its_sort_is_refused_with_the_path(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("streets = 2", 'streets = "two"'), encoding="utf-8")

    refused = vestbench("report", file)

    assert refused.exit_code == 5
    assert "plan.streets: expected an integer, got text" in refused.stderr
