"""HTTP libraries that do what they should not, in a copy of their package.

A measuring process takes the copy for the library, because it comes first on its path.
What each of them does is said in the same words for all: hooks that are called before a
connection is opened, before one is used again, and after an answer.
"""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

# What a sabotage may redefine. `it` is the use of a connection.
_HOOKS = """
import itertools, socket, ssl, time
from urllib.parse import urlsplit

turns, kept = itertools.count(1), []

def opening(it): pass
def again(it): pass
def answered(it): pass
"""

# Appended to the module of httpcore that has its connections.
_HTTPCORE = """
class It:
    def __init__(self, connection, request):
        self.inner, self.request = connection, request
        self.address = connection._origin.host.decode(), connection._origin.port

    def drop(self):
        self.inner._connection.close()
        self.inner._connection = None

    def connect(self):
        kept.append(_connect(self.inner, self.request))

    def ask_for(self, path):
        self.request.url.target = path.encode()

    def answer(self, body):
        return Response(200, headers=[(b"Content-Type", b"text/plain")], content=body)

_connect, _handle = HTTPConnection._connect, HTTPConnection.handle_request

def _sabotaged_connect(self, request):
    opening(It(self, request))
    return _connect(self, request)

def _sabotaged_handle(self, request):
    it = It(self, request)
    if self._connection is not None and self._connection.is_idle():
        return again(it) or _handle(self, request)
    response = _handle(self, request)
    answered(it)
    return response

HTTPConnection._connect = _sabotaged_connect
HTTPConnection.handle_request = _sabotaged_handle
"""

# Appended to the module of pyreqwest that has its clients.
_PYREQWEST = """
class Answer:
    status, version = 200, "HTTP/1.1"

    def __init__(self, body):
        self.bytes = lambda: body
        self.get_header = {"content-length": str(len(body))}.get

class It:
    def __init__(self, client, url):
        self.client, self.url = client, url
        parts = urlsplit(url)
        self.address = parts.hostname, parts.port

    def drop(self):
        self.client.inner.close()
        self.client.inner = self.client.make()

    def connect(self):
        client = self.client.make()
        kept.append(client.get(self.url).build().send())
        client.close()

    def ask_for(self, path):
        self.url = urlsplit(self.url)._replace(path=path, query="").geturl()

    def answer(self, body):
        return Answer(body)

class Calls:
    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        return lambda *args: self.calls.append((name, args)) or self

    def on(self, builder):
        for name, args in self.calls:
            builder = getattr(builder, name)(*args)
        return builder

class SyncClientBuilder(Calls):
    def build(self):
        return Client_(lambda: self.on(_Builder()).build())

class Client_:
    def __init__(self, make):
        self.make, self.inner, self.used = make, make(), False

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def request(self, method, url):
        return Request_(self, method, url)

class Request_(Calls):
    def __init__(self, client, method, url):
        super().__init__()
        self.client, self.method, self.url = client, method, url

    def build_streamed(self):
        return self

    def __enter__(self):
        client, it = self.client, It(self.client, self.url)
        self.first, client.used, self.context = not client.used, True, None
        made_up = (opening if self.first else again)(it)
        if made_up is not None:
            return made_up
        builder = self.on(client.inner.request(self.method, it.url))
        self.context = builder.build_streamed()
        return self.context.__enter__()

    def __exit__(self, *error):
        if self.first:
            answered(It(self.client, self.url))
        return self.context and self.context.__exit__(*error)

from pyreqwest._pyreqwest.client import SyncClientBuilder as _Builder
"""

# The file of each library that is changed, and what makes the hooks called there.
_PLACES = {
    "httpx": ("httpcore", "_sync/connection.py", _HTTPCORE),
    "reqwest": ("pyreqwest", "client/__init__.py", _PYREQWEST),
}


def sabotage(
    stack: str, hooks: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Put a copy of a stack's library, with these hooks, on the path of children."""
    package, file, calls = _PLACES[stack]
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    copy = folder / "sabotaged" / package
    shutil.copytree(Path(spec.origin).parent, copy)
    with (copy / file).open("a") as module:
        module.write(_HOOKS + calls + hooks)
    path = (str(copy.parent), os.environ["PYTHONPATH"])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
