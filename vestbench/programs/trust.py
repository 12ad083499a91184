"""What makes programs of any language trust the certificates that are made inside.

Which client goes by which file or variable was tried out with each of them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from glob import escape, glob
from pathlib import Path

from vestbench.programs.homes import VARIABLES
from vestbench.programs.messages import OWN
from vestbench.simulator.http.certificates import JAVA_PASSWORD

ROOTS, CA, STORE = "roots.pem", "ca.pem", "ca.p12"

# The bundles of Debian, Fedora, SUSE, Alpine, Arch, the BSDs and OpenSSL's own default.
BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ca-certificates/extracted/tls-ca-bundle.pem",
    "/var/lib/ca-certificates/ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/tls/cacert.pem",
    "/usr/lib/ssl/cert.pem",
    "/usr/local/ssl/cert.pem",
    "/usr/share/ssl/certs/ca-bundle.crt",
    "/usr/local/share/certs/ca-root-nss.crt",
)
# Those that replace a client's roots, and those that are added to them.
_REPLACING = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "AWS_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "CARGO_HTTP_CAINFO",
)
_ADDING = ("NODE_EXTRA_CA_CERTS", "DENO_CERT")
_PROXIES = {
    *("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy"),
    *("ws_proxy", "wss_proxy", "socks_proxy"),
}
_CERTIFI = ("certifi/cacert.pem", "pip/_vendor/certifi/cacert.pem")
_PACKAGES = (
    *("lib/python3*/site-packages", "lib64/python3*/site-packages"),
    *("lib/python3/dist-packages", "local/lib/python3*/dist-packages"),
    *("lib/python3*/dist-packages",),
)


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """Return a program's environment as it is inside: no proxies, our certificates."""
    found = {k: v for k, v in given.items() if k.lower() not in _PROXIES}
    for name in VARIABLES:  # lead to what is not there
        found.pop(name, None)
    # Where a client reads both, one with other roots would count against ours.
    found.pop("SSL_CERT_DIR", None)
    found |= dict.fromkeys(_REPLACING, f"{OWN}/{ROOTS}")
    found |= dict.fromkeys(_ADDING, f"{OWN}/{CA}")
    store = (
        f"-Djavax.net.ssl.trustStore={OWN}/{STORE}",
        f"-Djavax.net.ssl.trustStorePassword={JAVA_PASSWORD.decode()}",
        "-Djavax.net.ssl.trustStoreType=PKCS12",
    )
    java = (given.get("JAVA_TOOL_OPTIONS", ""), *store)
    found["JAVA_TOOL_OPTIONS"] = " ".join(filter(None, java))
    return found


def files(ca_pem: str, store: bytes) -> dict[str, bytes]:
    """Return the files that clients are led to, by name.

    Args:
        ca_pem: Our certificate.
        store: The same as a key store of Java.
    """
    ours = ca_pem.encode("ascii")
    return {ROOTS: _system_roots() + b"\n" + ours, CA: ours, STORE: store}


def _system_roots() -> bytes:
    for path in BUNDLES:
        try:
            return Path(path).read_bytes()
        except OSError:
            continue
    return b""


def bundles(argv: Sequence[str], given: Mapping[str, str], cwd: Path) -> dict[str, str]:
    """Return by path which of our files takes the place of a bundle.

    Some libraries go by the bundle of the package certifi, whatever a variable says:
    so that of each Python the program may run is found.

    Args:
        argv: The program and its arguments.
        given: Its environment.
        cwd: Where it runs.
    """
    found = {path: ROOTS for path in BUNDLES if os.path.exists(path)}
    for folder in _package_folders(argv, given, cwd):
        for name in _CERTIFI:
            path = str(folder / name)
            if os.path.exists(path):
                found[path] = ROOTS
    return found


def _package_folders(
    argv: Sequence[str], given: Mapping[str, str], cwd: Path
) -> Iterator[Path]:
    """Yield the folders of packages of every Python that may run."""
    seen: set[Path] = set()
    for prefix in _prefixes(argv, given, cwd):
        for pattern in _PACKAGES:
            # Unlike that of a path, it passes over what this user must not see.
            for folder in glob(f"{escape(str(prefix))}/{pattern}"):
                yield from _with_links(Path(folder), seen)
    for name in filter(None, given.get("PYTHONPATH", "").split(os.pathsep)):
        yield from _with_links(cwd / name, seen)


def _prefixes(
    argv: Sequence[str], given: Mapping[str, str], cwd: Path
) -> Iterator[Path]:
    """Yield where a Python of the program may be installed."""
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        if given.get(name):
            yield Path(given[name])
    yield from (cwd / ".venv", cwd / "venv")
    if given.get("HOME"):
        yield Path(given["HOME"], ".local")
    path = given.get("PATH")
    words = (argv[0], _interpreter(argv[0], path, cwd), "python3", "python")
    for program in _programs(words, path, cwd):
        # A virtual environment is where the link is, its Python where it leads.
        yield program.parent.parent
        yield program.resolve().parent.parent
        yield from _base_of(program.parent.parent)


def _programs(words: Iterable[str], path: str | None, cwd: Path) -> Iterator[Path]:
    for word in words:
        found = shutil.which(word, path=path) if word else None
        if found:
            yield cwd / found


def _interpreter(program: str, path: str | None, cwd: Path) -> str:
    """Return the interpreter that the first line of a script names; empty for none."""
    found = shutil.which(program, path=path)
    if found is None:
        return ""
    try:
        with (cwd / found).open("rb") as file:
            line = file.readline(200)
    except OSError:
        return ""
    words = line[2:].decode("utf-8", "replace").split() if line[:2] == b"#!" else []
    if words and words[0].endswith("/env"):
        del words[0]
    return words[0] if words else ""


def _base_of(prefix: Path) -> Iterator[Path]:
    """Yield where the Python that a virtual environment is of is installed."""
    try:
        text = (prefix / "pyvenv.cfg").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        name, _, value = line.partition("=")
        if name.strip() == "home":
            yield Path(value.strip()).parent


def _with_links(folder: Path, seen: set[Path]) -> Iterator[Path]:
    """Yield a folder, and those that its `.pth` files add to Python's path."""
    if folder in seen or not os.path.isdir(folder):
        return
    seen.add(folder)
    yield folder
    for link in glob(f"{escape(str(folder))}/*.pth"):
        try:
            lines = Path(link).read_text("utf-8", "replace").splitlines()
        except OSError:
            continue
        for line in lines:
            if line.startswith("/"):
                yield from _with_links(Path(line.strip()), seen)
