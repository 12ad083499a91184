"""Nobody gets to see a key."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback
from collections.abc import Callable
from dataclasses import asdict, astuple, replace
from typing import Any

import pytest

from tests.support.keys import FULL, SECRETS, assert_hidden
from tests.support.signed import PRIMARY, SIGNING
from vestbench.errors import UsageError
from vestbench.venues.secret import Secret
from vestbench.venues.vest.credentials import Credentials, parse
from vestbench.venues.vest.signing import DEVELOPMENT_CONTRACT

VIEWS: dict[str, Callable[[Any], object]] = {
    "repr": repr,
    "str": str,
    "format": lambda each: f"{each} {each!r} {each!s} {each:}",
    "percent": lambda each: "%s %r" % (each, each),  # noqa: UP031
    "list": lambda each: [each],
    "json": lambda each: json.dumps(each, default=repr),
    "copy": copy.copy,
    "deep copy": copy.deepcopy,
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("each", [FULL, *map(Secret, SECRETS)], ids=type)
def test_nothing_that_shows_an_object_shows_a_secret(
    view: Callable[[Any], object], each: Credentials | Secret
) -> None:
    assert_hidden(str(view(each)))


def test_the_credentials_as_a_dictionary_or_tuple_show_no_secret() -> None:
    assert_hidden(str(asdict(FULL)))
    assert_hidden(str(astuple(FULL)))
    assert asdict(FULL)["primary_key"] == PRIMARY


def test_the_repr_says_what_is_there() -> None:
    assert repr(Credentials()) == "Credentials(nothing given)"
    assert repr(Credentials(signing_key=SIGNING, account_group=0)) == (
        "Credentials(signing_key, account_group given)"
    )


def test_a_log_line_shows_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("test").debug("%s %r %s", FULL, PRIMARY, asdict(FULL))

    assert "Credentials(" in caplog.text
    assert_hidden(caplog.text)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("each", [FULL, PRIMARY], ids=type)
def test_secrets_do_not_travel_by_pickle(
    each: Credentials | Secret, protocol: int
) -> None:
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(each, protocol)


@pytest.mark.parametrize(
    "act",
    [
        lambda keys: replace(keys, contract=DEVELOPMENT_CONTRACT).for_venue("vest"),
        lambda keys: replace(keys, primary_address="0x" + "0" * 40).for_venue("vest"),
        lambda keys: replace(keys, api_key=None).need("api_key"),
        lambda keys: keys.over(parse({"api_key": "bad key"}, {"api_key": "it"})),
        lambda keys: pickle.dumps(keys),
        lambda keys: json.dumps(asdict(keys)),
        lambda keys: setattr(keys.primary_key, "other", 1),
    ],
)
def test_a_traceback_with_local_variables_shows_no_secret(
    act: Callable[[Credentials], object],
) -> None:
    with pytest.raises((UsageError, TypeError, AttributeError)) as failure:
        act(FULL)

    shown = traceback.TracebackException.from_exception(
        failure.value, capture_locals=True
    )
    assert_hidden("".join(shown.format()))


def test_secrets_are_equal_by_their_text_and_cannot_change() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    with pytest.raises(AttributeError):
        Secret("a")._text = "b"


def test_a_missing_secret_is_named_with_what_to_do() -> None:
    with pytest.raises(UsageError) as refusal:
        Credentials().need("api_key")

    assert str(refusal.value) == (
        "no API key: set VEST_API_KEY, or name a file with --keys"
    )
