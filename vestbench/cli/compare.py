"""`vestbench compare`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vestbench.cli import options as o
from vestbench.errors import ExitCode, UsageError, VenueError

if TYPE_CHECKING:
    from vestbench.cli.measuring import Measurement, SimOptions
    from vestbench.config import Settings
    from vestbench.experiments.compare import Arm, ComparePlan
    from vestbench.models import Outcome, Run, Strategy
    from vestbench.stats.compare import Judgement

MORE_ROUNDS = 200
_AUTO_SHARE = 0.8  # of what the route allows, for --min-saving auto
_NO_LOOK_YET = 1_000_000  # as the first round with a look: beyond any there can be


def compare(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME...",
            help="Two or more of pooled, unpooled and warmed; or two stored results.",
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
    venue: o.Venue = None,
    endpoint: o.EndpointName = "",
    confidence: o.Confidence = 95,
    interval: o.Interval = "0ms",
    rate: o.Rate = None,
    budget: o.Budget = 1000,
    seed: o.Seed = None,
    pool_max_idle: o.PoolMaxIdle = None,
    pool_idle_timeout: o.PoolIdleTimeout = None,
    tcp_keepalive: o.TcpKeepalive = None,
    connect_timeout: o.ConnectTimeout = None,
    timeout: o.Timeout = None,
    rtt: o.Rtt = None,
    jitter: o.Jitter = None,
    loss: o.Loss = None,
    drift: o.Drift = None,
    link: o.Link = None,
    tls: o.Tls = None,
    processing: o.Processing = None,
    idle_timeout: o.IdleTimeout = None,
    max_requests: o.MaxRequests = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
    output: o.Output = None,
    results: o.Results = None,
) -> None:
    """Decide how much one way of connecting saves against another.

    Rounds of one request each, in an order drawn by lot, go on until the saving is
    decided: 0 passed, 1 failed, 3 inconclusive, 5 if an arm was not what it is called.

    Example: vestbench compare pooled unpooled --min-saving 50ms
    """
    words = names or []
    if any(_is_file(word) for word in words):
        _compare_stored(words, force=force, confidence=confidence, as_json=json)
        return
    from vestbench.cli.measuring import (
        OutputOptions,
        Runner,
        SimOptions,
        exit_code,
        is_real,
        pace,
        pool_facts,
        settings_here,
    )

    special = min_saving is not None and (min_saving == "auto" or "%" in min_saving)
    settings = settings_here(
        venue=venue,
        min_saving=None if special else min_saving,
        results=results,
        pool_max_idle=pool_max_idle,
        pool_idle_timeout=pool_idle_timeout,
        tcp_keepalive=tcp_keepalive,
        connect_timeout=connect_timeout,
        timeout=timeout,
    )
    o.chosen("--confidence", confidence, (90, 95, 99))
    o.chosen("--vote", vote, ("round", "pair"))
    o.chosen("--question", question, ("all", "any"))
    arms, control_label = _arms(words, control)
    sim = SimOptions(
        rtt=rtt,
        jitter=jitter,
        loss=loss,
        link=link,
        tls=tls,
        processing=processing,
        idle_timeout=idle_timeout,
        max_requests=max_requests,
        drift=drift,
    )
    idle_s = o.duration("--idle", idle)
    interval_s = o.duration("--interval", interval)
    minimum_s = o.duration("--min-duration", min_duration)
    plan: dict[str, Any] = {
        "arms": [{"label": a.label, "strategy": str(a.strategy)} for a in arms],
        "control": control_label,
        "question": question,
        "vote": vote,
        "idle_s": idle_s,
        "warm_connections": max(1, settings.pool.max_idle),
        "interval_s": interval_s,
        "confidence": confidence / 100,
        "min_rounds": max(min_rounds, 24 if vote == "pair" else 12),
        **_asked(min_saving if special else None, settings),
    }
    plan["identity"] = _identity(plan, settings, sim, endpoint)
    earlier = None if resume is None else _earlier(resume, plan["identity"])
    plan["max_rounds"] = _most(max_rounds, plan["min_rounds"], earlier)
    plan["min_duration_s"] = minimum_s
    plan["seed"] = o.seed_or_new(seed)
    if resume is not None:
        plan["resumed"] = str(resume)
    per_round = sum(_requests_of(arm, plan["warm_connections"]) for arm in arms)
    from vestbench.experiments.compare import SETUP_ROUNDS
    from vestbench.stats.compare import rounds_of

    done = rounds_of(earlier) if earlier is not None else []
    rounds = plan["max_rounds"] - len(done)
    most = per_round * (rounds + SETUP_ROUNDS)
    max_rate = pace(is_real(settings["venue"]), most, rate, budget)
    plan["max_rate"] = max_rate or 0.0

    runner = Runner(
        "compare",
        "-".join(arm.label for arm in arms),
        plan=plan,
        settings=settings,
        sim=sim,
        output=OutputOptions(json=json, quiet=quiet, output=output),
        endpoint=endpoint,
        total=0,  # how many rounds it takes is what is to be found out
        facts={
            "strategy": " against ".join(arm.label for arm in arms),
            "concurrency": 1,
            "pool": pool_facts(settings.pool),
        },
    )
    comparison = _Comparison(plan, arms, settings, earlier, done)
    from vestbench.report.compare import compare_brief, compare_report
    from vestbench.stats.compare import summarise_compare

    run = runner.run(
        comparison.measure,
        compare_report,
        compare_brief,
        set_up=comparison.set_up,
        earlier=earlier,
    )
    raise typer.Exit(exit_code(str(summarise_compare(run).acceptance)))


class _Comparison:
    """Joins the experiment to its verdict, its clock and its progress line."""

    def __init__(
        self,
        plan: Mapping[str, Any],
        arms: tuple[Arm, ...],
        settings: Settings,
        earlier: Run | None,
        done: list[Any],
    ) -> None:
        self._plan = plan
        self._arms = arms
        self._settings = settings
        self._earlier = earlier
        self._done = done
        self._experiment: Any = None
        self._judgement: Judgement | None = None
        self._first_look = _NO_LOOK_YET
        self._say: Any = None

    def set_up(self, measurement: Measurement) -> dict[str, Any]:
        """Send the discarded rounds; they tell how far away the venue is."""
        from random import Random

        from vestbench.experiments.compare import Comparison
        from vestbench.experiments.ports import Pacer
        from vestbench.stats.compare import Judgement

        measurement.say("discarded rounds, to fill caches")
        pacer = Pacer(
            interval_s=self._plan["interval_s"],
            max_rate=self._plan["max_rate"] or None,
            rng=Random(self._plan["seed"]),
        )
        self._experiment = Comparison(
            self._compare_plan(),
            measurement.stack,
            measurement.request,
            measurement.warm_up_request,
            pacer=pacer,
        )
        outcomes = self._experiment.set_up()
        found = self._target(outcomes)
        percent = "min_saving_percent" in self._plan
        target = (
            self._plan["min_saving_percent"]
            if percent
            else found.get("auto_target_ms", self._plan.get("min_saving_ms"))
        )
        if target is None:
            raise VenueError(
                "--min-saving auto: no request got through, so the route's round trip "
                "is not known"
            )
        self._judgement = Judgement(self._plan, float(target), percent=percent)
        if self._earlier is not None:
            # A run that was killed does not say; its minimum may not have passed.
            unknown = _NO_LOOK_YET if self._earlier.plan["min_duration_s"] else 0
            found_look = self._earlier.conclusion.get("first_look", unknown)
            self._first_look = int(found_look)
        for old in self._done:
            self._judgement.add(old, look=old.number + 1 >= self._first_look)
        return found

    def _compare_plan(self) -> ComparePlan:
        from vestbench.experiments.compare import ComparePlan

        half: tuple[str, ...] = ()
        if self._plan["vote"] == "pair" and len(self._done) % 2:
            last = self._done[-1].outcomes
            half = tuple(sorted(last, key=lambda label: last[label].slot.index))
        # After every number in use: an interrupted round has left outcomes as well.
        old = self._earlier.outcomes if self._earlier is not None else ()
        first = 1 + max((outcome.slot.session for outcome in old), default=-1)
        return ComparePlan(
            arms=self._arms,
            pool=self._settings.pool,
            max_rounds=first + self._plan["max_rounds"] - len(self._done),
            seed=self._plan["seed"],
            paired=self._plan["vote"] == "pair",
            idle_s=self._plan["idle_s"],
            warm_connections=self._plan["warm_connections"],
            first_round=first,
            half=half,
        )

    def _target(self, outcomes: list[Outcome]) -> dict[str, float]:
        """Settle `--min-saving auto` on the route as the discarded rounds saw it."""
        if "min_saving" not in self._plan:
            return {}
        if self._earlier is not None:
            return {"auto_target_ms": self._earlier.conditions["auto_target_ms"]}
        from vestbench.models import Sample
        from vestbench.stats.compare import theoretical_saving_ms

        samples = [outcome for outcome in outcomes if isinstance(outcome, Sample)]
        saving = theoretical_saving_ms(samples)
        return {} if saving is None else {"auto_target_ms": _AUTO_SHARE * saving}

    def measure(self, measurement: Measurement) -> None:
        """Carry out rounds until they are decided."""
        from vestbench.stats.compare import Round

        judgement = self._judgement
        if judgement is None:
            raise RuntimeError("a comparison is set up before it is measured")
        begin = time.monotonic()
        self._say = measurement.say
        measurement.conclusion["first_look"] = self._first_look

        def judge(number: int, outcomes: Mapping[str, Outcome]) -> bool:
            waited = time.monotonic() - begin >= self._plan["min_duration_s"]
            if waited and self._first_look == _NO_LOOK_YET:
                self._first_look = number + 1
                measurement.conclusion["first_look"] = self._first_look
            look = number + 1 >= self._first_look
            over = judgement.add(Round(number=number, outcomes=outcomes), look=look)
            self._show(judgement)
            return over

        if not judgement.decided():
            end = self._experiment.run(measurement.record, judge)
            measurement.take(end)
            measurement.conclusion["unmeasured"] = end.unmeasured
        else:
            measurement.stopped = "the rounds of the resumed run are decided already"

    def _show(self, judgement: Judgement) -> None:
        from vestbench.report.compare import progress_text
        from vestbench.report.units import interval, median_of

        found = []
        projections = []
        for label, verdict in judgement.verdicts.items():
            saving = verdict.outcome.saving
            found.append((label, median_of(saving), interval(saving.interval)))
            projections.append(judgement.projection(label))
        known = [count for count in projections if count is not None]
        most = max(known) if len(known) == len(projections) else None
        self._say(progress_text(judgement.rounds, found, most))


def _is_file(word: str) -> bool:
    return word.endswith((".toml", ".partial")) or "/" in word or Path(word).is_file()


def _arms(words: list[str], control: str) -> tuple[tuple[Arm, ...], str]:
    from vestbench.experiments.compare import control_of, name_arms
    from vestbench.models import Strategy

    known = ", ".join(Strategy)
    strategies: list[Strategy] = []
    for word in words or ["pooled", "unpooled"]:
        if word not in list(Strategy):
            raise UsageError(
                f"{word!r} is no way of connecting: use {known}, or two result files"
            )
        strategies.append(Strategy(word))
    if len(strategies) < 2:
        raise UsageError(f"a comparison needs two or more of {known}")
    if len(strategies) > 6:
        raise UsageError("more than six arms make rounds too long to be comparable")
    arms = name_arms(strategies)
    return arms, control_of(arms, control)


def _asked(special: str | None, settings: Settings) -> dict[str, Any]:
    """Return what `--min-saving` asks for, as it is stored."""
    if special is None:
        return {"min_saving_ms": 1e3 * settings["min_saving"]}
    if special == "auto":
        return {"min_saving": "auto"}
    try:
        percent = float(special.removesuffix("%"))
    except ValueError:
        percent = -1.0
    if not special.endswith("%") or not 0 < percent < 100:
        raise UsageError(
            f"--min-saving: {special!r} is no percentage: write for example 30%"
        )
    return {"min_saving_percent": percent}


def _identity(
    plan: Mapping[str, Any], settings: Settings, sim: SimOptions, endpoint: str
) -> dict[str, Any]:
    """Return what makes two runs the same experiment, for `--resume`."""
    from vestbench.cli.measuring import (
        exchange_facts,
        is_real,
        link_facts,
        pool_facts,
    )
    from vestbench.venues import find_venue

    venue = find_venue(settings["venue"])
    identity: dict[str, Any] = {
        **{key: value for key, value in plan.items() if key != "min_rounds"},
        "venue": venue.name,
        "endpoint": venue.endpoint(endpoint).name,
        "pool": pool_facts(settings.pool),
    }
    if not is_real(settings["venue"]):
        link, exchange = sim.link_spec(seed=0), sim.exchange_spec()
        identity["link"] = {} if link is None else link_facts(link)
        identity["exchange"] = exchange_facts(exchange)
    return identity


def _earlier(path: Path, identity: Mapping[str, Any]) -> Run:
    """Load the run to go on with, having checked that it is the same and undecided."""
    from vestbench.report import guarded
    from vestbench.results import load
    from vestbench.stats.compare import summarise_compare
    from vestbench.stats.groups import Acceptance, Why

    run = load(path)
    if run.command != "compare":
        raise UsageError(f"--resume: {path} is a result of {run.command}")
    stored = run.plan.get("identity", {})
    differing = [key for key in identity if stored.get(key) != identity[key]]
    if differing:
        names = ", ".join(differing)
        raise UsageError(
            f"--resume: {path} was another experiment, it differs in {names}; "
            "give the same options"
        )
    summary = guarded(lambda: summarise_compare(run))
    if summary.acceptance is not Acceptance.INCONCLUSIVE:
        raise UsageError(f"--resume: {path} is decided: {summary.acceptance}")
    if any(pair.why is Why.CLOSE for pair in summary.pairs):
        raise UsageError(
            f"--resume: {path} ended because the saving is too close to the target; "
            "more rounds cannot change that"
        )
    return run


def _most(wanted: int | None, least: int, earlier: Run | None) -> int:
    from vestbench.stats import MAX_ROUNDS
    from vestbench.stats.compare import rounds_of

    done = len(rounds_of(earlier)) if earlier is not None else 0
    most = min(done + MORE_ROUNDS, MAX_ROUNDS) if wanted is None else wanted
    if most <= done:
        raise UsageError(f"--max-rounds {most}: the run has {done} rounds already")
    if most < least:
        raise UsageError(f"--max-rounds {most} is less than --min-rounds {least}")
    return most


def _requests_of(arm: Arm, warm_connections: int) -> int:
    """Return how many requests an arm sends in a round."""
    unmeasured = {"pooled": 1, "warmed": warm_connections}
    return 1 + unmeasured.get(str(arm.strategy), 0)


def _compare_stored(
    words: list[str], *, force: bool, confidence: int, as_json: bool
) -> None:
    from vestbench.cli.console import stdout
    from vestbench.report import guarded, stored_report
    from vestbench.results import load
    from vestbench.stats.stored import compare_stored

    if len(words) != 2 or not all(_is_file(word) for word in words):
        raise UsageError("stored results are compared two at a time, then and now")
    o.chosen("--confidence", confidence, (90, 95, 99))
    paths = [Path(word) for word in words]
    then, now = (load(path) for path in paths)
    found = guarded(lambda: compare_stored(then, now, confidence=confidence / 100))
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
