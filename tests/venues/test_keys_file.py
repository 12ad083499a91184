"""The file of keys: who may read it, and what is refused of it."""

from __future__ import annotations

import os
import stat
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.keys import API_KEY, FULL, KEY_DIGITS, assert_hidden
from tests.support.signed import PRIMARY, PRIMARY_ADDRESS, SIGNING
from vestbench.errors import UsageError
from vestbench.venues.secret import Secret
from vestbench.venues.vest import keys_file
from vestbench.venues.vest.credentials import Credentials
from vestbench.venues.vest.keys_file import load, save


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def write(path: Path, text: str | bytes, mode: int = 0o600) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return path


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


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("folder", "cannot be read: is a directory"),
        ("pipe", "cannot be read: it is not a regular file"),
        ("device", "cannot be read: it is not a regular file"),
    ],
)
def test_what_is_no_file_is_refused_at_once(folder: Path, kind: str, why: str) -> None:
    path = folder / "keys.toml"
    if kind == "folder":
        path.mkdir(mode=0o700)
    elif kind == "pipe":
        os.mkfifo(path, 0o600)
    else:
        path = Path("/dev/null")

    with pytest.raises(UsageError, match=why):
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
