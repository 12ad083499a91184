"""What a program is told to change: a line for each library that is recognised."""

from __future__ import annotations

import pytest

from tests.support.traffic import request
from vestbench.studies.traffic.advice import (
    LIBRARIES,
    advice_for,
    libraries_in,
    library_of,
    remedy_for,
)
from vestbench.studies.traffic.causes import Why


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("python-requests/2.32.3", "requests"),
        ("python-httpx/0.28.1", "httpx"),
        ("Python/3.11 aiohttp/3.9.1", "aiohttp"),
        ("Python-urllib/3.11", "urllib"),
        ("Go-http-client/2.0", "Go net/http"),
        ("node", "Node fetch (undici)"),
        ("axios/1.7.2", "Node axios"),
        ("Java-http-client/17.0.9", "Java HttpClient"),
        ("okhttp/4.12.0", "okhttp"),
        ("curl/8.5.0", "curl"),
        ("reqwest/0.12", "reqwest"),
    ],
)
def test_a_library_is_known_by_its_user_agent(agent: str, name: str) -> None:
    library = library_of(agent)

    assert library is not None
    assert library.name == name
    advice = advice_for(Why.CLOSED, [request(0, agent=agent)])
    assert advice == f"{name}: {library.advice}"


def test_every_library_is_one_line() -> None:
    assert all("\n" not in each.advice for each in LIBRARIES)
    assert len({each.name for each in LIBRARIES}) == len(LIBRARIES)


def test_an_unknown_library_gets_advice_for_any() -> None:
    assert advice_for(Why.CLOSED, [request(0, agent="my-bot/1")]).startswith("make one")


def test_a_client_without_a_user_agent_may_be_reqwest() -> None:
    assert "reqwest" in advice_for(Why.UNUSED_IDLE, [request(0, agent="")])


@pytest.mark.parametrize("why", [Why.FIRST, Why.BUSY, Why.SERVER_IDLE, Why.GOAWAY])
def test_what_a_program_cannot_change_has_no_advice(why: Why) -> None:
    assert advice_for(why, [request(0)]) == ""


def test_libraries_are_named_once_each() -> None:
    sent = [request(0, agent=agent) for agent in ("a/1 (x)", "b/2", "a/1 (x)", "")]

    assert libraries_in(sent) == ["a/1", "b/2"]


@pytest.mark.parametrize(
    "alert", ["tlsv1 alert unknown ca", "sslv3_alert_bad_certificate"]
)
def test_an_alert_of_trust_has_a_remedy(alert: str) -> None:
    assert "SSL_CERT_FILE" in remedy_for(alert)


def test_what_is_no_matter_of_trust_has_none() -> None:
    assert remedy_for("http request") == ""
