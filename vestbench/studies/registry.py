"""Which studies there are: the only place that knows.

Each is named as `module:object`; the module is imported when its study is asked for.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from vestbench.assertions.grammar import Assertion, Vocabulary, parse_assertion
from vestbench.errors import InvalidRunError, InvalidValueError
from vestbench.model.run import Plan, Run
from vestbench.results.reading import Decoder, load
from vestbench.studies.base import Study

_STUDIES = {
    "bench": "vestbench.studies.bench.study:STUDY",
    "compare": "vestbench.studies.compare.study:STUDY",
    "warmup": "vestbench.studies.starts.study:WARM_UP",
    "connect": "vestbench.studies.starts.study:CONNECT",
    "exec": "vestbench.studies.traffic.study:EXEC",
    "serve": "vestbench.studies.traffic.study:SERVE",
}


def register(name: str, study: str) -> None:
    """Add a study, named as `module:object`."""
    _STUDIES[name] = study


def study_names() -> tuple[str, ...]:
    """Return the names of all studies."""
    return tuple(_STUDIES)


def find_study(name: str) -> Study[Any]:
    """Return the study called `name`, or raise InvalidRunError."""
    if name not in _STUDIES:
        known = ", ".join(_STUDIES)
        raise InvalidRunError(
            f"this version knows no runs of {name!r}, only of {known}"
        )
    module, _, attribute = _STUDIES[name].partition(":")
    study: Study[Any] = getattr(import_module(module), attribute)
    return study


def study_of(run: Run) -> Study[Any]:
    """Return the study that `run` is of."""
    return find_study(run.command)


def parsed(text: str, study: Study[Any], plan: Plan) -> Assertion:
    """Return an assertion on a run of this plan; InvalidValueError if it has none."""
    known = Vocabulary(
        quantities=study.quantities, collections=study.collections, kind=study.name
    )
    found = parse_assertion(text, study.groups(plan), known)
    for each in (found, found.opposite()):
        if each is not None:
            study.check_assertion(each, plan)
    return found


def _check(run: Run) -> None:
    study = study_of(run)
    for text in run.plan.assertions:
        try:
            parsed(text, study, run.plan)
        except InvalidValueError as error:
            raise error.within("plan.assertions") from error
    study.check(run)


def load_run(path: Path) -> Run:
    """Read a run of any study, finished or not; errors are those of `load`."""
    return load(path, Decoder(lambda name: find_study(name).plan, _check))
