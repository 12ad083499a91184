"""Keys: where they come from, which one wins, and that nobody gets to see them."""

from __future__ import annotations

import copy
import json
import logging
import os
import pickle
import stat
import traceback
from collections.abc import Callable
from dataclasses import asdict, astuple, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.venues.test_signing import PRIMARY, PRIMARY_ADDRESS, SIGNING
from vestbench.errors import ExitCode, UsageError
from vestbench.venues.secret import Secret
from vestbench.venues.vest import keys_file
from vestbench.venues.vest.credentials import (
    Credentials,
    contract_of,
    from_environment,
    from_prompt,
    random_credentials,
    random_key,
)
from vestbench.venues.vest.keys_file import find_credentials, load, save
from vestbench.venues.vest.signing import (
    DEVELOPMENT_CONTRACT,
    PRODUCTION_CONTRACT,
    address_of,
    is_private_key,
)

API_KEY = 'api-key-"hunter2"\\'
FULL = Credentials(
    primary_key=PRIMARY,
    signing_key=SIGNING,
    api_key=Secret(API_KEY),
    account_group=0,
    primary_address=PRIMARY_ADDRESS,
    contract=PRODUCTION_CONTRACT,
)
ENVIRONMENT = {
    "VEST_PRIMARY_KEY": PRIMARY.reveal(),
    "VEST_SIGNING_KEY": SIGNING.reveal()[2:].upper(),
    "VEST_API_KEY": API_KEY,
    "VEST_ACCOUNT_GROUP": "0",
    "VEST_PRIMARY_ADDR": "0x" + PRIMARY_ADDRESS[2:].upper(),
    "VEST_PRODUCTION": "true",
}
# What must not be seen, in any spelling.
SECRETS = (PRIMARY.reveal()[2:], SIGNING.reveal()[2:], "hunter2")


def assert_hidden(text: str) -> None:
    for each in SECRETS:
        assert each.lower() not in text.lower()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def write(path: Path, text: str | bytes, mode: int = 0o600) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return path


# The environment.


def test_the_environment_gives_all_that_the_bot_reads() -> None:
    assert from_environment(ENVIRONMENT) == FULL


def test_an_empty_environment_gives_nothing() -> None:
    assert from_environment({"PATH": "/bin", "VEST_OTHER": "x"}) == Credentials()


def test_an_empty_variable_is_not_set() -> None:
    assert from_environment(dict.fromkeys(ENVIRONMENT, "")) == Credentials()


@pytest.mark.parametrize(
    ("text", "contract"),
    [
        ("true", PRODUCTION_CONTRACT),
        ("True", PRODUCTION_CONTRACT),
        ("1", PRODUCTION_CONTRACT),
        ("false", DEVELOPMENT_CONTRACT),
        ("0", DEVELOPMENT_CONTRACT),
    ],
)
def test_production_decides_the_contract(text: str, contract: str) -> None:
    assert from_environment({"VEST_PRODUCTION": text}).contract == contract


KEY_DIGITS = SIGNING.reveal()[2:]
BAD_TEXTS = [
    pytest.param("VEST_SIGNING_KEY", KEY_DIGITS[:-1], "64 hex digits", id="short"),
    pytest.param("VEST_SIGNING_KEY", KEY_DIGITS + "0", "64 hex digits", id="long"),
    pytest.param("VEST_PRIMARY_KEY", "g" + KEY_DIGITS[1:], "64 hex", id="no hex"),
    pytest.param("VEST_PRIMARY_KEY", "0x0x" + KEY_DIGITS, "64 hex", id="twice 0x"),
    pytest.param("VEST_PRIMARY_KEY", "0" * 64, "out of range", id="zero"),
    pytest.param("VEST_PRIMARY_KEY", "f" * 64, "out of range", id="too large"),
    pytest.param("VEST_SIGNING_KEY", KEY_DIGITS + "\n", "control", id="line break"),
    pytest.param("VEST_SIGNING_KEY", " " + KEY_DIGITS, "a space", id="space"),
    pytest.param("VEST_SIGNING_KEY", KEY_DIGITS[:-1] + "é", "ASCII", id="accent"),
    pytest.param("VEST_SIGNING_KEY", KEY_DIGITS[:-1] + "１", "ASCII", id="digit"),
    pytest.param("VEST_API_KEY", "hunter2\r\nx: y", "control", id="header"),
    pytest.param("VEST_API_KEY", "hunter2\0", "control", id="null"),
    pytest.param("VEST_API_KEY", "hunter2\x7f", "control", id="delete"),
    pytest.param("VEST_API_KEY", "hunter2\udcff", "ASCII", id="bytes"),
    pytest.param("VEST_API_KEY", "hunter2 ", "a space", id="trailing"),
    pytest.param("VEST_API_KEY", "hunter2" * 999, "1 to 1024", id="endless"),
    pytest.param("VEST_ACCOUNT_GROUP", "10", "0 to 9", id="group"),
    pytest.param("VEST_ACCOUNT_GROUP", "-1", "0 to 9", id="negative"),
    pytest.param("VEST_ACCOUNT_GROUP", "٣", "0 to 9", id="arabic"),
    pytest.param("VEST_PRIMARY_ADDR", "0x12", "40 hex digits", id="address"),
    pytest.param("VEST_PRIMARY_ADDR", KEY_DIGITS, "40 hex digits", id="a key"),
    pytest.param("VEST_PRODUCTION", "hunter2", "true or false", id="production"),
]


@pytest.mark.parametrize(("variable", "text", "why"), BAD_TEXTS)
def test_a_bad_variable_is_named_in_one_line_without_its_value(
    variable: str, text: str, why: str
) -> None:
    with pytest.raises(UsageError, match=why) as refusal:
        from_environment({**ENVIRONMENT, variable: text})

    message = str(refusal.value)
    assert message.startswith(variable + " ")
    assert message.isprintable()
    assert text not in message
    assert_hidden("".join(traceback.format_exception(refusal.value)))
    assert refusal.value.__context__ is None
    assert refusal.value.exit_code is ExitCode.USAGE


@given(st.text(min_size=6))
def test_no_message_repeats_what_was_given(text: str) -> None:
    for variable in ENVIRONMENT:
        try:
            from_environment({variable: text})
        except UsageError as error:
            # Words of the message itself, such as "number", may have been the value.
            said = str(error)
            assert said.isprintable()
            assert text not in said or text in str(_refusal(variable, "\x07"))


def _refusal(variable: str, text: str) -> str:
    with pytest.raises(UsageError) as refusal:
        from_environment({variable: text})
    return str(refusal.value)


def test_what_was_typed_is_refused_without_being_repeated() -> None:
    assert from_prompt("signing_key", KEY_DIGITS).signing_key == SIGNING
    with pytest.raises(UsageError) as refusal:
        from_prompt("primary_key", KEY_DIGITS[1:])

    assert str(refusal.value).startswith("the primary key that was typed is not")
    assert KEY_DIGITS[1:] not in str(refusal.value)


# The file.


def test_a_saved_file_loads_as_it_was(folder: Path) -> None:
    for number, each in enumerate((FULL, Credentials(signing_key=SIGNING))):
        save(folder / str(number), each)
        assert load(folder / str(number)) == each


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1))
def test_any_api_key_survives_the_file(text: str) -> None:
    each = Credentials(api_key=Secret(text), account_group=9)

    table, problem = keys_file._table(keys_file._document(each).encode())

    assert (dict(table), problem) == ({"api_key": text, "account_group": 9}, "")


def test_all_names_of_the_file_are_read(folder: Path) -> None:
    path = write(
        folder / "keys.toml",
        f"primary_key = '{PRIMARY.reveal()}'\nsigning_key = '{KEY_DIGITS}'\n"
        f"api_key = '{API_KEY}'\naccount_group = 0\n"
        f"primary_addr = '{PRIMARY_ADDRESS}'\nproduction = true\n",
    )

    assert load(path) == FULL


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
def test_a_new_file_is_its_owners_alone_whatever_the_umask(
    folder: Path, umask: int
) -> None:
    before = os.umask(umask)
    try:
        save(folder / "keys.toml", FULL)
    finally:
        os.umask(before)

    assert stat.S_IMODE((folder / "keys.toml").stat().st_mode) == 0o600


def test_a_new_file_is_never_more_open_than_at_the_end(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    document = keys_file._document

    def look(credentials: Credentials) -> str:
        seen.append(stat.S_IMODE((folder / "keys.toml").stat().st_mode))
        return document(credentials)

    monkeypatch.setattr(keys_file, "_document", look)
    before = os.umask(0)
    try:
        save(folder / "keys.toml", FULL)
    finally:
        os.umask(before)

    assert seen == [0o600]


@pytest.mark.parametrize("kind", ["file", "link", "dangling link", "folder"])
def test_nothing_that_exists_is_overwritten(folder: Path, kind: str) -> None:
    path, other = folder / "keys.toml", folder / "other"
    if kind == "folder":
        path.mkdir()
    elif kind == "file":
        path.write_text("precious")
    else:
        path.symlink_to(other)
        if kind == "link":
            other.write_text("precious")

    with pytest.raises(UsageError, match="is not overwritten") as refusal:
        save(path, FULL)

    assert str(path) in str(refusal.value)
    assert kind != "file" or path.read_text() == "precious"
    assert kind != "link" or other.read_text() == "precious"
    assert kind != "dangling link" or not other.exists()


def test_a_folder_that_is_missing_is_said(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot write .*no such file"):
        save(folder / "none" / "keys.toml", FULL)


def test_a_full_disk_leaves_no_half_a_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match="no space left on device") as refusal:
        save(folder / "keys.toml", FULL)

    assert list(folder.iterdir()) == []
    assert_hidden("".join(traceback.format_exception(refusal.value)))


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_file_for_its_owner_alone_is_read(folder: Path, mode: int) -> None:
    save(folder / "keys.toml", FULL)
    (folder / "keys.toml").chmod(mode)

    assert load(folder / "keys.toml") == FULL


@pytest.mark.parametrize(
    "mode", [0o644, 0o640, 0o660, 0o604, 0o601, 0o602, 0o700, 0o610, 0o000, 0o4600]
)
def test_a_file_that_others_may_use_is_refused_with_its_mode(
    folder: Path, mode: int
) -> None:
    save(folder / "keys.toml", FULL)
    (folder / "keys.toml").chmod(mode)
    # Root may read what has no permission at all; others are told by the system.
    with pytest.raises(UsageError) as refusal:
        load(folder / "keys.toml")

    message = str(refusal.value)
    assert str(folder / "keys.toml") in message
    if mode & 0o400:
        assert f"mode {mode:04o}" in message
        assert "0600" in message
    assert_hidden(message)


def test_somebody_elses_file_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(folder / "keys.toml", FULL)
    me = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: me + 1)

    with pytest.raises(UsageError, match=f"belongs to somebody else .user {me}."):
        load(folder / "keys.toml")


def test_a_link_is_judged_by_what_it_leads_to(folder: Path) -> None:
    save(folder / "keys.toml", FULL)
    (folder / "link").symlink_to(folder / "keys.toml")
    assert load(folder / "link") == FULL

    (folder / "keys.toml").chmod(0o644)
    with pytest.raises(UsageError, match="mode 0644"):
        load(folder / "link")


@pytest.mark.parametrize("kind", ["folder", "pipe", "device"])
def test_what_is_no_file_is_refused_at_once(folder: Path, kind: str) -> None:
    path = folder / "keys.toml"
    if kind == "folder":
        path.mkdir(mode=0o700)
    elif kind == "pipe":
        os.mkfifo(path, 0o600)
    else:
        path = Path("/dev/null")

    with pytest.raises(UsageError, match="not a regular file"):
        load(path)


def test_a_missing_file_is_said(folder: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: no such file") as refusal:
        load(folder / "none.toml")

    assert str(folder / "none.toml") in str(refusal.value)


@pytest.mark.parametrize("act", [load, lambda path: save(path, FULL)])
@pytest.mark.parametrize(
    "text", [KEY_DIGITS, KEY_DIGITS[1:], "0x" + KEY_DIGITS.upper(), f"./{KEY_DIGITS}"]
)
def test_a_key_in_place_of_a_file_is_not_repeated(
    act: Callable[[Path], object], text: str
) -> None:
    with pytest.raises(UsageError, match="a keys file was expected") as refusal:
        act(Path(text))

    shown = "".join(traceback.format_exception(refusal.value))
    assert_hidden(shown)
    assert KEY_DIGITS[1:] not in shown


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "holds none of"),
        ("# hunter2", "holds none of"),
        ("hunter2", "not valid TOML at end of document"),
        ("api_key = hunter2", "not valid TOML at line 1"),
        ("\napi_key = 'hunter2\n", "not valid TOML at "),
        ("api_key = 'a'\napi_key = 'hunter2'", "not valid TOML"),
        (f"{KEY_DIGITS} = 1", "holds a name that is none of"),
        (f"signing_key.{KEY_DIGITS} = 1", "signing_key must be a text"),
        ("[signing_key]\nhunter2 = 1", "signing_key must be a text"),
        (f"signing_key = 0x{KEY_DIGITS}", "signing_key must be a text"),
        ("api_key = ['hunter2']", "api_key must be a text"),
        ("account_group = '1'", "account_group must be a number"),
        ("account_group = true", "account_group must be a number"),
        ("account_group = 10", "account_group must be 0 to 9"),
        ("account_group = 0x" + "f" * 9999, "account_group must be 0 to 9"),
        ("account_group = " + "9" * 9999, "not valid TOML"),
        ("production = 'true'", "production must be true or false"),
        ("production = 1", "production must be true or false"),
        ("api_key = 'hunter2 '", "keys.toml: api_key holds a space"),
        ("api_key = ''", "keys.toml: api_key is not an API key"),
        ("signing_key = ''", "keys.toml: signing_key is not a private key"),
        ('api_key = "hunter2\\n"', "keys.toml: api_key holds a control"),
        ("api_key = 'hunter2é'", "keys.toml: api_key holds a character"),
        (f"signing_key = '{KEY_DIGITS[1:]}'", "signing_key is not a private key"),
        ("primary_addr = '0x1'", "keys.toml: primary_addr is not an address"),
        (b"api_key = 'hunter2\xff'", "is not UTF-8"),
        ("api_key = " + "[" * 5000, "not a keys file"),
        ("#" * 70_000, "is too large"),
    ],
)
def test_a_file_that_is_no_keys_file_is_refused_without_its_content(
    folder: Path, text: str | bytes, why: str
) -> None:
    path = write(folder / "keys.toml", text)

    with pytest.raises(UsageError, match=why) as refusal:
        load(path)

    message = str(refusal.value)
    assert str(path) in message
    assert message.isprintable()
    assert KEY_DIGITS[1:] not in message
    assert_hidden("".join(traceback.format_exception(refusal.value)))
    assert refusal.value.__context__ is None


# Precedence, and what belongs together.


def test_the_file_wins_over_the_environment_value_by_value(folder: Path) -> None:
    path = folder / "keys.toml"
    save(path, Credentials(signing_key=PRIMARY, account_group=0))

    found = find_credentials(
        "vest",
        environment={**ENVIRONMENT, "VEST_ACCOUNT_GROUP": "4"},
        keys_file=path,
    )

    assert found == replace(FULL, signing_key=PRIMARY)


def test_without_a_file_the_environment_is_all_there_is() -> None:
    assert find_credentials("vest", environment=ENVIRONMENT) == FULL


def test_the_venue_decides_the_contract_where_nobody_else_does() -> None:
    found = {
        venue: find_credentials(venue, environment={}).contract
        for venue in ("vest", "vest-dev", "sim")
    }

    assert found == {
        "vest": PRODUCTION_CONTRACT,
        "vest-dev": DEVELOPMENT_CONTRACT,
        "sim": DEVELOPMENT_CONTRACT,
    }


@pytest.mark.parametrize(
    ("venue", "production"), [("vest", "false"), ("vest-dev", "true"), ("sim", "true")]
)
def test_keys_for_one_environment_are_not_used_in_another(
    venue: str, production: str
) -> None:
    with pytest.raises(UsageError, match=f"not for venue {venue}: VEST_PRODUCTION"):
        find_credentials(venue, environment={"VEST_PRODUCTION": production})


def test_a_venue_without_accounts_has_no_contract() -> None:
    with pytest.raises(UsageError, match="paradex has no account here: use sim, vest"):
        contract_of("paradex")


def test_a_primary_address_must_be_that_of_the_primary_key() -> None:
    other = "0x" + "5e" * 20

    with pytest.raises(UsageError, match="different accounts") as refusal:
        find_credentials(
            "vest", environment={**ENVIRONMENT, "VEST_PRIMARY_ADDR": other}
        )

    assert other not in str(refusal.value)
    assert_hidden(str(refusal.value))


def test_an_address_alone_is_taken_as_it_is() -> None:
    found = find_credentials("vest", environment={"VEST_PRIMARY_ADDR": PRIMARY_ADDRESS})

    assert found.primary_address == PRIMARY_ADDRESS


# Throw-away keys.


def test_random_credentials_are_valid_and_never_the_same() -> None:
    one, other = random_credentials(), random_credentials()

    for each in (one, other):
        assert is_private_key(each.need("primary_key"))
        assert is_private_key(each.need("signing_key"))
        assert each.primary_address == address_of(each.need("primary_key"))
        assert (each.api_key, each.account_group) == (None, None)
        assert each.for_venue("sim") == each
    keys = {x.need(n) for x in (one, other) for n in ("primary_key", "signing_key")}
    assert len(keys) == 4


def test_a_proof_made_for_the_simulator_is_worth_nothing_in_production() -> None:
    assert random_credentials().contract != PRODUCTION_CONTRACT
    with pytest.raises(UsageError, match="not for venue vest"):
        random_credentials().for_venue("vest")


def test_random_bytes_that_are_no_key_are_drawn_again() -> None:
    draws = iter([bytes(32), b"\xff" * 32, b"\x05" * 32])

    assert random_key(lambda size: next(draws)) == Secret("0x" + "05" * 32)


# What can be seen.


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
        lambda keys: keys.registered("bad key", 0),
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
