"""Metrics by promtool, the checker of Prometheus itself: `nox -s metrics`."""

from __future__ import annotations

import subprocess

import pytest

from tests.support.documents import RUNS, document
from tests.support.records import STARTED
from vestbench.report.prometheus import error_metrics


def complaints(text: str) -> str:
    """Return what promtool says of metrics; nothing if they are as they should be."""
    command = ("promtool", "check", "metrics")
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    return done.stdout + done.stderr + f"exit {done.returncode}" * bool(done.returncode)


@pytest.mark.parametrize("name", RUNS)
def test_the_metrics_of_every_run_are_as_promtool_wants_them(name: str) -> None:
    assert complaints(document(RUNS[name](), "prometheus")) == ""


def test_the_metrics_of_no_run_are_as_promtool_wants_them() -> None:
    assert complaints(error_metrics("bench", "sim", "ticker", STARTED)) == ""


def test_promtool_complains_of_what_is_wrong() -> None:
    text = document(RUNS["bench"](), "prometheus")

    assert "quantile" in complaints(text.replace("statistic=", "quantile="))
