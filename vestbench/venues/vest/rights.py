"""Whether a file that holds keys is its owner's alone, and making one that is."""

from __future__ import annotations

import os
import re
import stat
import sys
from pathlib import Path

# Of Windows itself and of its administrators, who may read any file anyway.
_OF_THE_SYSTEM = ("SY", "BA")
_OWNER = re.compile("O:(S-[-0-9]+|[A-Z]{2})")
_ENTRY = re.compile(r"\(([^()]*)\)")


def create_private(path: Path) -> int:
    """Create a file for its owner's eyes only, and return a descriptor to write it.

    Raises:
        OSError: It exists, were it a link to nowhere, or cannot be created.
    """
    if sys.platform == "win32":
        from vestbench.venues.vest import windows_rights

        return windows_rights.create_private(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:  # whatever the umask took away; it cannot have added anything
        os.fchmod(descriptor, 0o600)
    except OSError:  # a file system without modes
        os.close(descriptor)
        path.unlink()
        raise
    return descriptor


def unfit(descriptor: int) -> str:
    """Return why an open file must not hold keys, or nothing."""
    if sys.platform == "win32":
        return _unfit_on_windows(descriptor)
    facts = os.fstat(descriptor)
    if facts.st_uid != os.geteuid():
        return f"belongs to somebody else (user {facts.st_uid}): it must be yours"
    mode = stat.S_IMODE(facts.st_mode)
    if mode not in (0o600, 0o400):
        return (
            f"has mode {mode:04o} and must have 0600, for you alone: chmod 600 it, "
            "and use new keys if others may have read these"
        )
    return ""


def _unfit_on_windows(descriptor: int) -> str:
    if sys.platform == "win32":
        from vestbench.venues.vest import windows_rights

        try:
            return too_open(*windows_rights.rights_of(descriptor))
        except OSError as error:
            why = (error.strerror or type(error).__name__).lower()
            return f"does not tell who may read it: {why}"
    return ""


def too_open(rights: str, ours: str) -> str:
    """Return why a file with these rights must not hold keys, or nothing.

    Args:
        rights: Its owner and its list of access rights, as a security descriptor is
            written: `O:…D:(A;;FA;;;SY)…`, docs "Security Descriptor String Format".
        ours: Who we are, as it stands there.
    """
    owner = _OWNER.match(rights)
    if owner is None or owner[1] not in (ours, *_OF_THE_SYSTEM):
        return "belongs to somebody else: it must be yours"
    entries = [each.split(";") for each in _ENTRY.findall(rights)]
    # Without a list everybody may do everything. What denies is of no harm; what is
    # neither of both has conditions.
    listed = "D:" in rights and "NO_ACCESS_CONTROL" not in rights
    others = {
        entry[-1]
        for entry in entries
        if entry[0] != "D"
        and (entry[0] != "A" or entry[-1] not in (ours, *_OF_THE_SYSTEM))
    }
    if listed and not others:
        return ""
    # By number, as each shell has its own way to say who you are.
    name = f"*{ours}" if ours.startswith("S-") else "YOUR-NAME"
    return (
        "may be read by others and must be for you alone: icacls FILE /inheritance:r "
        f'/grant:r "{name}:F", and use new keys if others may have read these'
    )
