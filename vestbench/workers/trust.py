"""Whether the certificates that the environment names can be used.

A library that is given others ends the process that measures, and some of them wait for
ever, or trust nobody without a word. So this is looked at before one is started.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from vestbench.errors import UsageError, reason_of
from vestbench.files import open_regular, private_at_once


def check_trust(*, simulated: bool) -> None:
    """Refuse variables that lead to nothing usable; empty ones count as none.

    Args:
        simulated: Whether the simulated exchange is measured, which brings its own CA.

    Raises:
        UsageError: It names the variable, the file and the reason.
    """
    checks: dict[str, Callable[[str], None]] = {"SSLKEYLOGFILE": _append}
    if not simulated:
        # Where a file is named, some libraries never look into the folder.
        named = "SSL_CERT_FILE" if os.environ.get("SSL_CERT_FILE") else "SSL_CERT_DIR"
        checks[named] = _load if named == "SSL_CERT_FILE" else _load_any
    for variable, check in checks.items():
        if path := os.environ.get(variable):
            try:
                check(path)
            except (OSError, ValueError) as error:
                why = f"{variable}: cannot use {path}: {reason_of(error)}"
                raise UsageError(f"{why}; correct it or unset it") from error


def _append(path: str) -> None:
    """Open a file as OpenSSL does for the secrets of its connections."""
    os.close(private_at_once(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT))


def _load(path: str) -> None:
    import ssl  # takes a while, and most environments name no file

    open_regular(Path(path)).close()
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError as error:
        raise ValueError("it holds no certificates, or broken ones") from error


def _load_any(path: str) -> None:
    """Find one certificate in folders, whose names have colons between them."""
    why: Exception = ValueError("it holds no certificate")
    for folder in path.split(os.pathsep):
        try:
            files = [os.path.join(folder, name) for name in os.listdir(folder)]
        except OSError as error:
            why = error
            continue
        if any(map(_loads, files)):
            return
    raise why


def _loads(path: str) -> bool:
    try:
        _load(path)
    except (OSError, ValueError):
        return False
    return True
