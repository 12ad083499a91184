"""Servers for a measuring process."""

from __future__ import annotations

from tests.support.servers import Visit, answer


def numbered(status: str) -> bytes:
    return answer(status=f"{status} No", headers=["Retry-After: 1"])


ANSWERS = {
    b"/": answer(headers=["Set-Cookie: a=b; Path=/; Max-Age=60"]),
    b"/latin": answer(b"\xe9", headers=["X: caf@"]).replace(b"@", b"\xe9"),
    b"/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"/gzip": answer(b"plain", headers=["Content-Encoding: gzip"]),
    b"/date": answer(
        status="429 No", headers=["Retry-After: Wed, 21 Oct 2015 07:28:00 GMT"]
    ),
    **{b"/" + code.encode(): numbered(code) for code in ("301", "404", "429", "503")},
}


def by_path(visit: Visit) -> None:
    """Do to each request what its path says."""
    while request := visit.request():
        path = request.split(b" ", 2)[1]
        if path in ANSWERS:
            visit.send(ANSWERS[path])
        elif path == b"/echo":  # an answer that quotes the request, and is none
            visit.send(b"HTTP/1.1 200 OK\r\n" + request.replace(b": ", b" "))
        elif path == b"/half":
            return visit.send(answer(b"x" * 9)[:-1])
        elif path == b"/reset":
            return visit.reset()
        elif path == b"/stall":
            return visit.stall()
        elif path == b"/close":
            return None
        else:
            raise ValueError(path)
    return None
