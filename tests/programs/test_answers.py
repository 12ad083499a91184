"""The user's answers: a HAR as browsers save it, and a small TOML."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from vestbench.errors import UsageError
from vestbench.model.simulated import CannedAnswer
from vestbench.programs.answers import read_answers


def entry(**changes: Any) -> dict[str, Any]:
    content = {"mimeType": "text/plain", "text": "hi"}
    found: dict[str, Any] = {
        "request": {"method": "get", "url": "https://API.x/a%20b?c=d"},
        "response": {"status": 201, "content": content},
    }
    return found | changes


def har(path: Path, *entries: Any) -> Path:
    path.write_text(json.dumps({"log": {"version": "1.2", "entries": entries}}))
    return path


WANTED = CannedAnswer(
    method="GET",
    host="api.x",
    path="/a b",
    query={"c": "d"},
    status=201,
    content_type="text/plain",
    body=b"hi",
)


def test_a_har_gives_method_url_status_type_and_body(tmp_path: Path) -> None:
    assert read_answers(har(tmp_path / "a.har", entry())) == (WANTED,)


def test_a_body_in_base64_is_decoded(tmp_path: Path) -> None:
    text = base64.b64encode(b"\0\xff").decode()
    content = {"mimeType": "image/png", "text": text, "encoding": "base64"}
    path = har(tmp_path / "a.har", entry(response={"status": 200, "content": content}))

    assert read_answers(path)[0].body == b"\0\xff"


def test_a_toml_has_a_table_for_each(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(
        '[[answer]]\nurl = "https://api.x/a%20b?c=d"\nstatus = 201\nbody = "hi"\n'
        'content_type = "text/plain"\n'
        '[[answer]]\nurl = "http://b.x"\nmethod = "POST"\njson = {ok = true}\n'
    )

    first, second = read_answers(path)

    assert first == WANTED
    assert (second.method, second.path, second.status) == ("POST", "/", 200)
    assert json.loads(second.body) == {"ok": True}


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ("no", "log.entries: expected a list"),
        ([1], r"log.entries\[0\]: request with method and url"),
        ([entry(request={"method": "GET", "url": "ftp://x"})], r"\[0\].url: expected"),
        ([entry(response={"status": 0})], r"\[0\].status: expected 200 to 599"),
        (
            [entry(response={"status": 200, "content": {"mimeType": "a\nb"}})],
            "expected a media type",
        ),
        (
            [
                entry(
                    response={
                        "status": 200,
                        "content": {"text": "%", "encoding": "base64"},
                    }
                )
            ],
            "the content is no base64",
        ),
    ],
)
def test_a_har_that_is_none_says_where(tmp_path: Path, entries: Any, why: str) -> None:
    path = tmp_path / "a.har"
    path.write_text(json.dumps({"log": {"entries": entries}}))

    with pytest.raises(UsageError, match=why):
        read_answers(path)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"log": 1}', "[" * 5000])
def test_another_file_is_no_har(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.har"
    path.write_text(text)

    with pytest.raises(UsageError, match="it is no HAR"):
        read_answers(path)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("answer = 1", "expected tables"),
        ("[[answer]]\nurl = 'http://x'\n[other]", "expected tables"),
        ("[[answer]]\nurl = 'http://x'\nstaus = 200", "unknown key 'staus'"),
        ("[[answer]]\nstatus = 200", r"answer\[0\].url: expected a text"),
        ("[[answer]]\nurl = 'http://x'\nbody = 1", "expected a text"),
        ("[[answer", "Expected"),
    ],
)
def test_a_toml_that_is_wrong_says_where(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text)

    with pytest.raises(UsageError, match=f"(?i){why}"):
        read_answers(path)


def test_a_file_that_is_not_there_is_one_line() -> None:
    with pytest.raises(UsageError, match=r"^--answers /nowhere/a.har: no such file"):
        read_answers(Path("/nowhere/a.har"))
