"""Keeping what lies in the working directory out of Python's path.

A bot has modules of its own there, such as `signal.py`, which would be imported in
place of the library's: by processes that hold keys. Only modules that Python has loaded
by itself are imported here, because this runs before that folder is off the path; for
the same reason nothing here is imported `from __future__`.
"""

import os
import sys

# The folder that this package is in.
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def elsewhere(folders: list[str]) -> list[str]:
    """Return those folders that are absolute and not the working directory."""
    try:
        here = os.path.realpath(os.getcwd())
    except OSError:  # it was deleted: nothing can be imported from it
        here = ""
    return [f for f in folders if os.path.isabs(f) and os.path.realpath(f) != here]


def leave_working_directory() -> None:
    """Take the working directory off the path of this process.

    Where this package is stays on it, as the last folder.
    """
    kept = elsewhere(sys.path)
    sys.path[:] = kept if ROOT in kept else [*kept, ROOT]
