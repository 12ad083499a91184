"""What to change in a program, for each library that it can be recognised to use."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from vestbench.model.traffic import Request
from vestbench.studies.traffic.causes import Why

_OWN = {
    Why.CLOSED,
    Why.ASKED,
    Why.UNREAD,
    Why.UNUSED_IDLE,
    Why.IDLE,
}


class Library(NamedTuple):
    """An HTTP library, by what its requests look like."""

    name: str
    agent: str  # a regular expression that its user agent begins with
    advice: str  # for one that opens connections needlessly


LIBRARIES = (
    Library(
        "requests",
        r"python-requests/",
        "requests.get() and its like open a connection each: make one "
        "requests.Session() and send everything through it",
    ),
    Library(
        "httpx",
        r"python-httpx2?/",
        "httpx.get() and a client for each call open a connection each: make one "
        "Client or AsyncClient, and keep it as long as the program runs",
    ),
    Library(
        "aiohttp",
        r"(Python/\S+ )?aiohttp/",
        "make one ClientSession and keep it: a session for each call has a pool of "
        "its own",
    ),
    Library(
        "urllib",
        r"Python-urllib/",
        "urllib.request always closes after the answer: use http.client, urllib3 or "
        "requests.Session",
    ),
    Library(
        "urllib3",
        r"python-urllib3/",
        "make one PoolManager, and keep it: it is the pool",
    ),
    Library(
        "Go net/http",
        r"Go-http-client/",
        "read each body to its end and close it, and use one http.Client with one "
        "Transport; MaxIdleConnsPerHost is 2",
    ),
    Library(
        "Node fetch (undici)",
        r"node|undici",
        "fetch opens a second connection when a request comes before the first answer "
        "was read to its end: read it first, or set an Agent with connections: 1",
    ),
    Library("Node axios", r"axios/", "give axios an https.Agent with keepAlive: true"),
    Library(
        "node-fetch",
        r"node-fetch",
        "give it an https.Agent with keepAlive: true; node-fetch 2 asks to close",
    ),
    Library(
        "Java HttpClient",
        r"Java-http-client/",
        "make one HttpClient and keep it: each has a pool of its own",
    ),
    Library(
        "Apache HttpClient",
        r"Apache-HttpClient/",
        "make one client with a PoolingHttpClientConnectionManager, and consume each "
        "entity",
    ),
    Library("okhttp", r"okhttp/", "make one OkHttpClient, and close each body"),
    Library(
        "curl",
        r"curl/",
        "each run of curl has a pool of its own: give one run several URLs, or use "
        "libcurl and keep the handle",
    ),
    Library(
        "reqwest",
        r"reqwest/",
        "build one reqwest::Client and clone it: each Client has a pool of its own",
    ),
)
_ANY = (
    "make one client object, keep it as long as the program runs, and read each answer"
)
_NAMELESS = (
    "its requests have no user agent, as those of reqwest and hyper: build one Client, "
    "keep it as long as the program runs, and clone it"
)
_OF_TRUST = ("unknown_ca", "bad_certificate", "certificate_unknown")
_BY_REASON = {
    Why.ASKED: "it sends Connection: close: leave that out",
    Why.IDLE: "raise its idle timeout, or send something more often",
    Why.UNREAD: "read each answer to its end before it is closed",
}


def library_of(agent: str) -> Library | None:
    """Return the library that a user agent is of, if it is known."""
    found = (each for each in LIBRARIES if re.match(each.agent, agent, re.IGNORECASE))
    return next(found, None)


def libraries_in(requests: Iterable[Request]) -> list[str]:
    """Return the user agents of requests, or the libraries they are of."""
    agents = dict.fromkeys(request.agent for request in requests)
    return [agent.split(" ")[0] for agent in agents if agent]


def advice_for(why: Why, requests: Iterable[Request]) -> str:
    """Return a line of advice for a program; empty where it can change nothing.

    Args:
        why: It opened connections.
        requests: Those that these were opened for.
    """
    if why not in _OWN:
        return ""
    agents = [request.agent for request in requests]
    for agent in agents:
        library = library_of(agent)
        if library is not None:
            return f"{library.name}: {library.advice}"
    if why in _BY_REASON:
        return _BY_REASON[why]
    return _ANY if any(agents) else _NAMELESS


def remedy_for(refusal: str) -> str:
    """Return what makes a program trust the certificate of the exchange.

    Args:
        refusal: The alert with which it refused; empty is returned for anything else.
    """
    alert = refusal.replace(" ", "_")
    if not any(word in alert for word in _OF_TRUST):
        return ""
    return (
        "it has roots of its own, or pins a certificate: let it take the system's "
        "roots, or name the file in SSL_CERT_FILE as its CA, or let it use http://"
    )
