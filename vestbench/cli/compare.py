"""`vestbench compare`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vestbench.cli import options as o
from vestbench.cli.option_records import as_typed, refuse_given, takes_options
from vestbench.cli.output_options import AssertOptions, OutputOptions, exports_in
from vestbench.cli.simulated_options import DriftingLinkOptions, ExchangeOptions
from vestbench.cli.values import chosen, duration, parsed
from vestbench.config import parse_percent
from vestbench.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from vestbench.config import Settings
    from vestbench.studies.compare.job import Target


@takes_options
def compare(
    context: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME...",
            help="Two or more of pooled, unpooled, warmed, resumed and http2; or two "
            "stored results.",
            show_default=False,
        ),
    ] = None,
    control: Annotated[
        str,
        typer.Option(
            "--control",
            metavar="NAME",
            help="What the others are compared with. [default: unpooled, or the last]",
            show_default=False,
        ),
    ] = "",
    min_saving: Annotated[
        str | None,
        typer.Option(
            "--min-saving",
            metavar="DURATION|N%|auto",
            help="The saving that passes; auto is 80 % of what the route allows. "
            "[default: 50ms]",
            show_default=False,
        ),
    ] = None,
    max_rounds: Annotated[
        int | None,
        typer.Option(
            "--max-rounds",
            metavar="N",
            min=12,
            max=1000,
            help="Rounds at most, in all. [default: 200; 200 more with --resume]",
            show_default=False,
        ),
    ] = None,
    min_rounds: Annotated[
        int,
        typer.Option(
            "--min-rounds", metavar="N", min=12, max=1000, help="No verdict before."
        ),
    ] = 12,
    min_duration: Annotated[
        str,
        typer.Option(
            "--min-duration",
            metavar="DURATION",
            help="No verdict before, for networks that switch between states.",
        ),
    ] = "0s",
    vote: Annotated[
        str,
        typer.Option(
            "--vote",
            metavar="round|pair",
            help="What has a vote; a pair of rounds cancels who goes first.",
        ),
    ] = "round",
    question: Annotated[
        str,
        typer.Option(
            "--question",
            metavar="all|any",
            help="Whether all candidates have to pass or any of them.",
        ),
    ] = "all",
    idle: Annotated[
        str,
        typer.Option(
            "--idle",
            metavar="DURATION",
            help="Pause of a warmed client before its request.",
        ),
    ] = "1s",
    resume: Annotated[
        Path | None,
        typer.Option(
            "--resume",
            metavar="FILE",
            help="Go on with an inconclusive run; all its rounds count.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Compare stored results of different things all the same."
        ),
    ] = False,
    *,
    where: o.VenueOptions,
    asserting: AssertOptions,
    confidence: o.Confidence = 95,
    account: o.AccountOptions,
    pacing: o.PaceOptions,
    pool: o.PoolOptions,
    stack: o.StackOptions,
    link: DriftingLinkOptions,
    exchange: ExchangeOptions,
    output: OutputOptions,
) -> None:
    """Decide how much one way of connecting saves against another.

    Rounds of one request each, in an order drawn by lot, go on until the saving is
    decided: 0 passed, 1 failed, 3 inconclusive, 5 if an arm was not what it is called.

    Example: vestbench compare pooled unpooled --min-saving 50ms
    """
    words = names or ["pooled", "unpooled"]
    asserting.check()
    chosen("--confidence", confidence, (90, 95, 99))
    if any(_is_file(word) for word in words):
        why = "documents are made of one run, not of two stored ones"
        refuse_given(as_typed(exports_in(output)), why)
        refuse_given(
            {"--assert": asserting.asserted}, "vestbench gate judges stored results"
        )
        _compare_stored(words, force, confidence / 100, as_json=output.json)
        return
    from vestbench.cli.ahead import workers_ahead
    from vestbench.cli.settings import settings_here

    plain = min_saving is None or (min_saving != "auto" and "%" not in min_saving)
    settings = settings_here(
        pool,
        venue=where.venue,
        min_saving=min_saving if plain else None,
        results=output.results,
    )
    workers = workers_ahead(context, settings, stack, words)

    from vestbench.cli import measuring as m
    from vestbench.studies.compare.job import CompareJob, Question, arms_of

    chosen("--vote", vote, ("round", "pair"))
    chosen("--question", question, ("all", "any"))
    arms_of(words, control)  # refuse what is no strategy before what no stack can do
    pace = m.pace_of(pacing, settings)
    place = m.place_of(
        settings,
        where,
        link,
        exchange,
        account,
        stack,
        seed=pace.seed,
        strategies=words,
    )
    arms, control_label = arms_of(words, control, place.stacks)
    job = CompareJob(
        Question(
            arms=arms,
            control=control_label,
            target=_target(min_saving, settings),
            confidence=confidence / 100,
            question=question,
            vote=vote,
            idle_s=duration("--idle", idle),
            min_rounds=min_rounds,
            max_rounds=max_rounds,
            min_duration_s=duration("--min-duration", min_duration),
        ),
        place,
        pace,
        resume=resume,
        assertions=asserting.asserted or (),
    )
    run = m.run_and_show(
        job,
        place,
        output,
        settings,
        budget=pacing.budget,
        gated=True,
        asserting=asserting,
        workers=workers,
    )
    raise m.gate_exit(run, asserting)


def _is_file(word: str) -> bool:
    # Not Path's, which raises where a name is too long.
    return word.endswith((".toml", ".partial")) or "/" in word or os.path.isfile(word)


def _target(given: str | None, settings: Settings) -> Target:
    """Return what `--min-saving` asks for, or the setting where it is not given."""
    from vestbench.studies.compare.job import Target

    if given == "auto":
        return Target()
    if given is None or "%" not in given:
        return Target(saving_s=settings["min_saving"])
    return Target(percent=parsed("--min-saving", given, parse_percent))


def _compare_stored(
    words: list[str], force: bool, confidence: float, *, as_json: bool
) -> None:
    from vestbench.cli.console import busy, stdout
    from vestbench.history.stored import compare_stored
    from vestbench.history.stored_sheet import stored_report
    from vestbench.studies.registry import load_run

    if len(words) != 2 or not all(_is_file(word) for word in words):
        raise UsageError("stored results are compared two at a time, then and now")
    paths = [Path(word) for word in words]
    with busy(f"comparing {paths[0]} and {paths[1]}"):
        then, now = (load_run(path) for path in paths)
        found = compare_stored(then, now, confidence=confidence)
    if found.differing and not force:
        names = ", ".join(found.differing)
        raise UsageError(
            f"{paths[0]} and {paths[1]} are of different things ({names}); "
            "--force compares them all the same"
        )
    if as_json:
        from json import dumps

        from vestbench.report.machine import plain_document

        typer.echo(dumps(plain_document(found), indent=2))
    else:
        stdout().print(stored_report(found, str(paths[0]), str(paths[1])))
    if found.verdict is None:
        raise typer.Exit(ExitCode.INCONCLUSIVE)
    if str(found.verdict.change) == "REGRESSED":
        raise typer.Exit(ExitCode.NOT_MET)
