"""The README, taken apart."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.paths import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROSE = FENCE.sub("", README)
SPANS = re.findall(r"`([^`\n]+)`", PROSE)
SEPARATORS = {"&&", "||", "|", ";"}


@dataclass(frozen=True)
class Block:
    language: str
    text: str


BLOCKS = [Block(*found) for found in FENCE.findall(README)]


def typed_lines(block: Block) -> Iterator[str]:
    """Yield the lines of `block` that are typed, not printed."""
    for line in block.text.splitlines():
        if block.language == "sh":
            yield line
        elif block.language == "console" and line.startswith("$ "):
            yield line.removeprefix("$ ")


def programs(line: str) -> Iterator[list[str]]:
    """Yield the programs that a line starts, each with its arguments."""
    words: list[str] = []
    for word in shlex.split(line, comments=True):
        if word in SEPARATORS:
            yield words
            words = []
        else:
            words.append(word)
    yield words


def examples() -> list[str]:
    """Return every command line of ours, without what surrounds it."""
    lines = [line for block in BLOCKS for line in typed_lines(block)]
    # Two words in a sentence only name a command.
    lines += [span for span in SPANS if re.match(r"vestbench \S+ ", span)]
    found = [
        shlex.join(words[1:])
        for line in lines
        for words in programs(line)
        if words and Path(words[0]).name == "vestbench"
    ]
    return list(dict.fromkeys(found))
