"""`vestbench compare`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vestbench import defaults
from vestbench.cli.option_records import option, option_of, refuse
from vestbench.cli.options import DriftingOptions, JudgingOptions, VenueOptions
from vestbench.errors import ExitCode, InvalidRunError, UsageError
from vestbench.values import confidence_of

if TYPE_CHECKING:
    from vestbench.config import Settings
    from vestbench.studies.compare.question import Target
    from vestbench.studies.parts.changes import Changes


def compare(
    context: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME...",
            help="Two or more of {strategies}; or two stored results.",
            show_default=False,
        ),
    ] = None,
    control: str = option(
        "What the others are compared with.",
        "NAME",
        default="",
        shown="unpooled, or the last",
    ),
    min_saving: str | None = option(
        "The saving that passes; auto is 80 % of what the route allows.",
        "DURATION|N%|auto",
        shown=defaults.MIN_SAVING,
    ),
    max_rounds: int | None = option(
        "Rounds at most, in all.",
        "N",
        shown=f"{defaults.MORE_ROUNDS}; {defaults.MORE_ROUNDS} more with --resume",
        min=defaults.MIN_ROUNDS,
        max=1000,
    ),
    min_rounds: int = option(
        "No verdict before.",
        "N",
        default=defaults.MIN_ROUNDS,
        min=defaults.MIN_ROUNDS,
        max=1000,
    ),
    min_duration: str = option(
        "No verdict before, for networks that switch between states.",
        "DURATION",
        default=defaults.MIN_DURATION,
    ),
    vote: str = option(
        "What has a vote; a pair of rounds cancels who goes first.",
        "round|pair",
        default=defaults.VOTE,
    ),
    question: str = option(
        "Whether all candidates have to pass or any of them.",
        "all|any",
        default=defaults.QUESTION,
    ),
    idle: str = option(
        "Pause of a warmed client before its request.",
        "DURATION",
        default=defaults.IDLE,
    ),
    resume: Path | None = option(
        "Go on with an inconclusive run; all its rounds count.", "FILE"
    ),
    force: bool = option(
        "Compare stored results of different things all the same.", default=False
    ),
    *,
    where: VenueOptions,
    judging: JudgingOptions,
    options: DriftingOptions,
) -> None:
    """Decide how much one way of connecting saves against another.

    Rounds of one request each, in an order drawn by lot, go on until the saving is
    decided: 0 passed, 1 failed, 3 inconclusive, 5 if a strategy was not what it is
    called.

    Example: vestbench compare pooled unpooled --min-saving 50ms
    """
    words = names or list(defaults.WAYS)
    judging.check()
    if any(_is_file(word) for word in words):
        options.exports.refuse("documents are made of one run, not of two stored ones")
        judged = ["--assert"] if judging.asserted is not None else []
        refuse(judged, "vestbench gate judges stored results")
        share = confidence_of("--confidence", judging.confidence)
        _compare_stored(words, force, share, as_json=options.json)
        return
    from vestbench.cli.ahead import start_ahead

    plain = min_saving is None or (min_saving != "auto" and "%" not in min_saving)
    given = start_ahead(
        context,
        where,
        judging,
        options,
        min_saving=min_saving if plain else None,
        decides=True,
        strategies=words,
    )

    from vestbench.cli import measuring as m
    from vestbench.studies.compare.job import CompareJob
    from vestbench.studies.compare.question import Question, arms_of

    arms_of(words, control)  # refuse what is no strategy before what no stack can do
    destination, pace = m.aimed(given, words)
    arms, control_label = arms_of(words, control, destination.stacks)
    asked = Question.asked(
        option_of,
        arms=arms,
        control=control_label,
        target=_target(min_saving, given.settings),
        question=question,
        vote=vote,
        idle=idle,
        min_rounds=min_rounds,
        max_rounds=max_rounds,
        min_duration=min_duration,
        gate=not plain or given.settings.is_set("min_saving"),
        **judging.asked,
    )
    job = CompareJob(asked, destination, pace, resume=resume)
    m.run_and_exit(given, job, destination, gated=True)


def _is_file(word: str) -> bool:
    # os.path has this, because Path.is_file raises if a name is too long.
    return word.endswith((".toml", ".partial")) or "/" in word or os.path.isfile(word)


def _target(given: str | None, settings: Settings) -> Target:
    """Return what `--min-saving` asks for, or the setting where it is not given."""
    from vestbench.studies.compare.question import Target

    if given is None or (given != "auto" and "%" not in given):
        return Target(saving_s=settings["min_saving"])
    return Target.asked("--min-saving", given)


def _compare_stored(
    words: list[str], force: bool, confidence: float, *, as_json: bool
) -> None:
    from vestbench.cli.console import busy, show, show_json
    from vestbench.history.changes import changes_report
    from vestbench.history.stored import (
        StoredComparison,
        compare_stored,
        stored_report,
    )
    from vestbench.model.verdict import Change
    from vestbench.studies.judging import unsound
    from vestbench.studies.registry import load_run, study_of

    if len(words) != 2 or not all(_is_file(word) for word in words):
        raise UsageError("stored results are compared two at a time, then and now")
    paths = [Path(word) for word in words]
    with busy(f"comparing {paths[0]} and {paths[1]}"):
        then, now = (load_run(path) for path in paths)
        for path, run in zip(paths, (then, now), strict=True):
            if why := unsound(run):
                raise InvalidRunError(f"{path}: no saving can be stated: {why}")
        found: Changes | StoredComparison | None = None
        study = study_of(then)
        if study is study_of(now):
            found = study.changes(then, now, confidence)
        found = found or compare_stored(then, now, confidence=confidence)
    if found.differing and not force:
        names = ", ".join(found.differing)
        raise UsageError(
            f"{paths[0]} and {paths[1]} are of different things ({names}); "
            "--force compares them all the same"
        )
    files = str(paths[0]), str(paths[1])
    if as_json:
        show_json(found)
    elif isinstance(found, StoredComparison):
        show(stored_report(found, *files))
    else:
        show(changes_report(found, *files, confidence))
    if found.change is None:
        raise typer.Exit(ExitCode.INCONCLUSIVE)
    if found.change is Change.REGRESSED:
        raise typer.Exit(ExitCode.NOT_MET)
