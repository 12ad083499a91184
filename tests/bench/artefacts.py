"""Look for keys in what is published: `python -m tests.bench.artefacts FILE...`.

The tests have throw-away keys, made from short texts where they are used or listed
below; nothing else that looks like a key may be in a wheel or a source archive.
"""

from __future__ import annotations

import re
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

_PEM = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\\?n?\s*[A-Za-z0-9+/]{16}")
_HEX = re.compile(rb"(?<![0-9a-fA-F])[0-9a-fA-F]{64}(?![0-9a-fA-F])")
_NAMES = re.compile(r"(^|/)(\.env|.*\.(key|pem|p12)|id_(rsa|ed25519)|vest-keys.*)$")

# Where 64 hexadecimal digits may stand: hashes and points of a curve, to check against.
_REFERENCES = ("tests/",)


def _files(archive: Path) -> Iterator[tuple[str, bytes]]:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            for name in wheel.namelist():
                yield name, wheel.read(name)
        return
    with tarfile.open(archive) as sdist:
        for member in sdist.getmembers():
            file = sdist.extractfile(member)
            if file is not None:
                yield member.name.partition("/")[2], file.read()


def found(archive: Path) -> Iterator[str]:
    """Yield what looks like a key in an archive."""
    for name, data in _files(archive):
        if _NAMES.search(name):
            yield f"{archive.name}: {name} is named like a key"
        if _PEM.search(data):
            yield f"{archive.name}: {name} holds a private key"
        if _HEX.search(data) and not name.startswith(_REFERENCES):
            yield f"{archive.name}: {name} holds 64 hexadecimal digits"


def main(argv: list[str]) -> int:
    """Return 1 where one of the archives holds something like a key, and say what."""
    lines = [line for name in argv for line in found(Path(name))]
    sys.stderr.writelines(f"{line}\n" for line in lines)
    return 1 if lines or not argv else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
