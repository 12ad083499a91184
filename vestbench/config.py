"""Settings: options > environment > ./vestbench.toml > user configuration > defaults.

The file of a project comes with it, from anybody. What it sets is said, and `SETTINGS`
says what it may set: nothing that sends, reveals, or makes a verdict easier to pass.
Durations are texts such as `50ms`, `60s` or `2m`, everywhere. The environment and the
folders are arguments; only `cli` knows the real ones.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vestbench import defaults
from vestbench.errors import UsageError, reason_of
from vestbench.files import read_bounded
from vestbench.model.client import PoolSettings
from vestbench.toml_file import parse
from vestbench.values import parse_duration

_MAX_FILE_BYTES = 2**20

_DEFAULT = "default"  # the source of a value that was not set
PROJECT_FILE = "vestbench.toml"


def _parse_count(text: str) -> int:
    try:
        count = int(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a whole number") from None
    if not 0 <= count <= 10_000:
        raise ValueError(f"{text!r} is not between 0 and 10000")
    return count


def _positive(text: str) -> float:
    seconds = parse_duration(text)
    if seconds <= 0:
        raise ValueError(f"{text!r} is not more than nothing")
    return seconds


# Why a project must not set a value: of that value, the one that holds without it, and
# the folder of the project. Empty if it may.
Rule = Callable[[Any, Any, Path], str]


def _may(_: Any, __: Any, ___: Path) -> str:
    return ""


def _only_simulated(venue: Any, _: Any, __: Path) -> str:
    same = venue == defaults.VENUE
    return "" if same else "where requests are sent is not a project's to choose"


def _no_lower(saving_s: Any, usual_s: Any, _: Path) -> str:
    lower = saving_s < usual_s
    return "a project must not lower the saving that passes" if lower else ""


def _inside(folder: Any, _: Any, project: Path) -> str:
    root = os.path.realpath(project)
    try:
        there = os.path.realpath(os.path.join(root, folder))
    except ValueError as error:
        return f"it is no folder: {error}"
    inside = os.path.commonpath((root, there)) == root
    return "" if inside else "the folder is outside the project"


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that can be set in every place."""

    section: str  # of the TOML file; empty at its top
    key: str
    option: str
    default: str
    parse: Callable[[str], Any]
    help: str
    project: Rule = _may

    @property
    def name(self) -> str:
        """The name in the table of `vestbench config`."""
        return ".".join(filter(None, (self.section, self.key)))

    @property
    def variable(self) -> str:
        """The name of its environment variable."""
        return "_".join(filter(None, ("VESTBENCH", self.section, self.key))).upper()


_POOL = PoolSettings()
SETTINGS = (
    Setting(
        *("pool", "max_idle", "--pool-max-idle", f"{_POOL.max_idle}"),
        _parse_count,
        "idle connections kept",
    ),
    Setting(
        *("pool", "idle_timeout", "--pool-idle-timeout", f"{_POOL.idle_timeout_s:g}s"),
        parse_duration,
        "an older idle connection is not used again",
    ),
    Setting(
        *("pool", "tcp_keepalive", "--tcp-keepalive", f"{_POOL.tcp_keepalive_s:g}s"),
        parse_duration,
        "idle time before TCP probes; 0s turns them off",
    ),
    Setting(
        *("pool", "connect_timeout", "--connect-timeout"),
        f"{_POOL.connect_timeout_s:g}s",
        _positive,
        "name resolution, TCP and TLS together",
    ),
    Setting(
        *("pool", "request_timeout", "--timeout", f"{_POOL.request_timeout_s:g}s"),
        _positive,
        "one whole request",
    ),
    Setting(
        *("", "venue", "--venue", defaults.VENUE, str, "what is measured"),
        _only_simulated,
    ),
    Setting(
        *("", "min_saving", "--min-saving", defaults.MIN_SAVING),
        parse_duration,
        "the saving that passes",
        _no_lower,
    ),
    Setting(
        *("", "results", "--results", defaults.RESULTS, str, "folder of the results"),
        _inside,
    ),
)


def default_of(name: str) -> str:
    """Return the default of the setting called `name`, as a text."""
    return next(setting.default for setting in SETTINGS if setting.name == name)


@dataclass(frozen=True, slots=True)
class Value:
    """A setting as it is in force."""

    setting: Setting
    text: str
    value: Any
    source: str  # where it came from, for people


@dataclass(frozen=True, slots=True)
class Ignored:
    """What a project has set and must not."""

    value: Value
    why: str

    @property
    def remedy(self) -> str:
        """What a user types who wants it all the same."""
        return f"{self.value.setting.option}, or --config {PROJECT_FILE}"


class Settings:
    """All settings in force.

    Args:
        values: By name.
        ignored: What the file of a project would have set, had it been allowed to.
        project: The source of what that file did set.
    """

    def __init__(
        self,
        values: Mapping[str, Value],
        ignored: Sequence[Ignored] = (),
        project: str = "",
    ) -> None:
        self.values = values
        self.ignored = ignored
        self._project = project

    def __getitem__(self, name: str) -> Any:
        """Return the parsed value of the setting called `name`."""
        return self.values[name].value

    def is_set(self, name: str) -> bool:
        """Say whether the setting called `name` is other than by default."""
        return self.values[name].source != _DEFAULT

    @property
    def of_project(self) -> dict[str, str]:
        """What the file of a project has set, as texts by name."""
        values = self.values.items()
        return {name: v.text for name, v in values if v.source == self._project}

    @property
    def pool(self) -> PoolSettings:
        """The five pool settings."""
        return PoolSettings(
            max_idle=self["pool.max_idle"],
            idle_timeout_s=self["pool.idle_timeout"],
            tcp_keepalive_s=self["pool.tcp_keepalive"],
            connect_timeout_s=self["pool.connect_timeout"],
            request_timeout_s=self["pool.request_timeout"],
        )


def user_file(environment: Mapping[str, str], home: Path | None) -> Path | None:
    """Return where the user's own settings are (XDG Base Directory Specification).

    None where nothing says where that would be.
    """
    base = environment.get("XDG_CONFIG_HOME", "")
    if base.startswith("/"):
        return Path(base, "vestbench", "config.toml")
    return home and home / ".config" / "vestbench" / "config.toml"


def resolve(
    options: Mapping[str, str | None],
    *,
    environment: Mapping[str, str],
    folder: Path,
    home: Path | None,
    config: Path | None = None,
) -> Settings:
    """Return every setting with the value that wins, and where it came from.

    Args:
        options: Texts given on the command line, by setting name; None is not given.
        environment: The environment variables.
        folder: Where `vestbench.toml` is looked for.
        home: The user's home folder; None without one.
        config: A file that the user vouches for, in place of that of the project.

    Raises:
        UsageError: A value is wrong, or a file cannot be read or used.
    """
    own, project = user_file(environment, home), folder / PROJECT_FILE
    files = [
        (path, _read(path, needed=path is config))
        for path in (config or project, own)
        if path is not None
    ]
    stranger = "" if config else str(project)
    values: dict[str, Value] = {}
    ignored: list[Ignored] = []
    for setting in SETTINGS:
        offers = [
            (options.get(setting.name), setting.option),
            (environment.get(setting.variable), setting.variable),
            *((_lookup(path, table, setting), str(path)) for path, table in files),
            (setting.default, _DEFAULT),
        ]
        made = [(text, source) for text, source in offers if text is not None]
        value = _value(setting, *made[0])
        if value.source == stranger:
            usual = _value(setting, *made[1])
            if why := setting.project(value.value, usual.value, folder):
                ignored.append(Ignored(value, why))
                value = usual
        values[setting.name] = value
    return Settings(values, ignored, stranger)


def _value(setting: Setting, text: str, source: str) -> Value:
    try:
        return Value(setting, text, setting.parse(text), source)
    except ValueError as error:
        raise UsageError(f"{source}: {setting.name}: {error}") from error


def _read(path: Path, *, needed: bool) -> Mapping[str, Any]:
    if not (needed or _exists(path)):
        return {}
    try:
        table = parse(read_bounded(path, _MAX_FILE_BYTES))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {reason_of(error)}") from error
    except ValueError as error:
        raise UsageError(f"{path} is not a settings file: {error}") from error
    known: dict[str, set[str]] = {}
    for setting in SETTINGS:
        known.setdefault(setting.section, set()).add(setting.key)
    for key, value in table.items():
        if key and key in known and isinstance(value, dict):
            unknown = sorted(set(value) - known[key])
            if unknown:
                raise UsageError(f"{path}: unknown setting {key}.{unknown[0]}")
        elif key not in known[""] or isinstance(value, dict):
            raise UsageError(f"{path}: unknown setting {key}")
    return table


def _exists(path: Path) -> bool:
    """Say whether there may be a file; not where we may not look, as in root's home."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return False
    except OSError:  # reading it says what is wrong
        return True
    return True


def _lookup(path: Path, table: Mapping[str, Any], setting: Setting) -> str | None:
    section = table.get(setting.section, {}) if setting.section else table
    if not isinstance(section, Mapping) or setting.key not in section:
        return None
    value = section[setting.key]
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise UsageError(f"{path}: {setting.name} must be a text such as 60s")
    return str(value)
