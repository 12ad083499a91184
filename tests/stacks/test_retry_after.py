"""How Retry-After is read: seconds, or a date in any form of HTTP, always UTC."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestbench.stacks.outcomes import pause_s

DATE_S = 784_111_777  # Sunday, 6 November 1994, 08:49:37 UTC: the example of RFC 9110
NOW_S = DATE_S - 60.0
YEAR_S = 366 * 86_400.0


@pytest.fixture(params=["UTC", "America/New_York", "Asia/Kolkata", "Pacific/Auckland"])
def _zone(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_zone")
@pytest.mark.parametrize(
    "date",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Sun, 06 Nov 1994 08:49:37 -0000",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun, 06 Nov 1994 08:49:37",
        " Sun, 06 Nov 1994 08:49:37 GMT ",
    ],
    ids=["imf", "rfc850", "asctime", "-0000", "+0000", "no-zone", "spaces"],
)
def test_each_form_of_a_date_is_utc_wherever_it_is_read(date: str) -> None:
    assert pause_s(date, now_s=NOW_S) == 60.0


@pytest.mark.parametrize(
    ("text", "wait_s"),
    [
        (None, None),
        ("0", 0.0),
        ("120", 120.0),
        (" 120 ", 120.0),
        ("-5", 0.0),
        ("1.5", 0.0),
        ("soon", 0.0),
        ("", 0.0),
        ("١٢", 0.0),
        ("Sun, 06 Nov 1994 08:48:37 GMT", 0.0),  # it is past
        ("Sun, 06 Nov 9999 08:49:37 GMT", YEAR_S),
        ("Sun, 06 Nov 99999 08:49:37 GMT", 0.0),
        ("Sun, 06 Nov 1994 08:49:37 +99999999999999999999", 0.0),
        ("86400000000", YEAR_S),
        (5000 * "9", YEAR_S),
    ],
)
def test_what_it_asks_for_is_never_absurd(
    text: str | None, wait_s: float | None
) -> None:
    assert pause_s(text, now_s=NOW_S) == wait_s


@given(st.text() | st.text("SunNov 0123456789:,+-GMT"))
def test_no_header_is_an_error(text: str) -> None:
    found = pause_s(text, now_s=NOW_S)

    assert found is not None
    assert 0 <= found <= YEAR_S
