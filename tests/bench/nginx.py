"""An nginx that logs its connections, and where its log says something else."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme

from tests.bench.programs import find
from tests.support.servers import free_port
from vestbench.model.request import Sample

TLS_VERSIONS = ("1.2", "1.3")
IDLE_TIMEOUTS_S = (1, 5, 75)
_START_S = 10.0
_LOG_FORMAT = (
    "$arg_n $connection $connection_requests $ssl_session_reused $remote_port "
    "$ssl_protocol $server_protocol $status"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """One request as nginx saw it."""

    connection: int  # its own serial
    use: int  # how many requests this connection had carried, this one included
    resumed: bool
    client_port: int
    tls_version: str
    http_version: str
    status: int


def read_log(lines: Iterable[str]) -> dict[int, Logged]:
    """Return what a log says, by the number that the request carried.

    Raises:
        ValueError: A line is not of the format, or a number is there twice.
    """
    found: dict[int, Logged] = {}
    for line in lines:
        words = line.split()
        if len(words) != len(_LOG_FORMAT.split()):
            message = f"not a line of the log: {line!r}"
            raise ValueError(message)
        number, connection, use, resumed, port, tls, http, status = words
        if int(number) in found:
            message = f"request {number} was logged twice"
            raise ValueError(message)
        found[int(number)] = Logged(
            connection=int(connection),
            use=int(use),
            resumed=resumed == "r",
            client_port=int(port),
            tls_version=tls,
            # nginx has a zero in the version that httpx does not have.
            http_version="HTTP/2" if http == "HTTP/2.0" else http,
            status=int(status),
        )
    return found


def disagreements(sample: Sample, logged: Logged) -> list[str]:
    """Return in what a sample is not what nginx saw."""
    claims = {
        "reused": (sample.reused, logged.use > 1),
        "use": (sample.use, logged.use),
        "resumed": (sample.resumed, logged.resumed),
        "local port": (sample.local_port, logged.client_port),
        "TLS version": (sample.tls_version, logged.tls_version),
        "HTTP version": (sample.http_version, logged.http_version),
        "status": (sample.status, logged.status),
    }
    return [
        f"{name}: {ours} here, {theirs} there"
        for name, (ours, theirs) in claims.items()
        if ours != theirs
    ]


def mixed_up(pairs: Iterable[tuple[int, int]]) -> list[str]:
    """Return where connections here and there are not the same, one for one."""
    here: dict[int, int] = {}
    there: dict[int, int] = {}
    found = []
    for ours, theirs in pairs:
        if here.setdefault(ours, theirs) != theirs:
            found.append(f"connection {ours} is {here[ours]} and {theirs} there")
        if there.setdefault(theirs, ours) != ours:
            found.append(f"connection {theirs} there is {there[theirs]} and {ours}")
    return found


def configuration(
    folder: Path, ports: Mapping[tuple[str, int], int], *, as_root: bool
) -> str:
    """Return an nginx configuration that needs nothing but `folder`."""
    temporary = "\n".join(
        f"  {kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    servers = "\n".join(
        f"""  server {{
    listen 127.0.0.1:{port} ssl http2;
    ssl_protocols TLSv{tls};
    keepalive_timeout {idle_s}s;
    location / {{ default_type application/json; return 200 "{{}}"; }}
  }}"""
        for (tls, idle_s), port in ports.items()
    )
    return f"""
{"user root;" if as_root else ""}
worker_processes 1;
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
{temporary}
  log_format counted '{_LOG_FORMAT}';
  access_log {folder}/access.log counted;
  ssl_certificate {folder}/certificate.pem;
  ssl_certificate_key {folder}/key.pem;
  ssl_session_cache shared:sessions:1m;
{servers}
}}
"""


class Nginx:
    """A running nginx; `stop` ends it and returns its log."""

    def __init__(self, program: str, folder: Path) -> None:
        self._folder = folder
        authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
        leaf = authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.ECDSA)
        leaf.cert_chain_pems[0].write_to_path(str(folder / "certificate.pem"))
        leaf.private_key_pem.write_to_path(str(folder / "key.pem"))
        self.ca_pem = authority.cert_pem.bytes().decode()
        self.ports = {
            (tls, idle_s): free_port()
            for tls in TLS_VERSIONS
            for idle_s in IDLE_TIMEOUTS_S
        }
        path = folder / "nginx.conf"
        path.write_text(configuration(folder, self.ports, as_root=os.getuid() == 0))
        self._process = subprocess.Popen(
            [program, "-p", str(folder), "-e", f"{folder}/error.log", "-c", str(path)],
            stdin=subprocess.DEVNULL,
        )

    def wait(self) -> None:
        """Wait until it listens, or exit with what it has to say."""
        end = time.monotonic() + _START_S
        for port in self.ports.values():
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1.0).close()
                    break
                except OSError:
                    if self._process.poll() is not None or time.monotonic() > end:
                        said = (self._folder / "error.log").read_text()
                        sys.exit(f"nginx did not start: {said}")
                    time.sleep(0.02)

    def stop(self) -> list[str]:
        """End it, once what it is doing is done, and return the lines of its log."""
        self._process.send_signal(signal.SIGQUIT)
        try:
            self._process.wait(_START_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        return (self._folder / "access.log").read_text().splitlines()

    def kill(self) -> None:
        """End it at once, if it runs."""
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait()


@contextmanager
def running_nginx() -> Iterator[Nginx]:
    """Start nginx in a temporary folder; nothing of it is left afterwards."""
    program = find("nginx")
    if program is None:
        sys.exit("nginx is missing: apt-get install nginx-light")
    with tempfile.TemporaryDirectory() as folder:
        nginx = Nginx(program, Path(folder))
        try:
            nginx.wait()
            yield nginx
        finally:
            nginx.kill()
