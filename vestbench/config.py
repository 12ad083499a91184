"""Settings: options > environment > ./vestbench.toml > user configuration > defaults.

Durations are texts such as `50ms`, `60s` or `2m`, everywhere. The environment and the
folders are arguments; only `cli` knows the real ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that can be set in every place."""

    section: str  # of the TOML file; empty at its top
    key: str
    option: str
    default: str
    parse: Callable[[str], Any]
    help: str

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
    Setting("", "venue", "--venue", defaults.VENUE, str, "what is measured"),
    Setting(
        *("", "min_saving", "--min-saving", defaults.MIN_SAVING),
        parse_duration,
        "the saving that passes",
    ),
    Setting("", "results", "--results", defaults.RESULTS, str, "folder of the results"),
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


class Settings:
    """All settings in force."""

    def __init__(self, values: Mapping[str, Value]) -> None:
        self.values = values

    def __getitem__(self, name: str) -> Any:
        """Return the parsed value of the setting called `name`."""
        return self.values[name].value

    def is_set(self, name: str) -> bool:
        """Say whether the setting called `name` is other than by default."""
        return self.values[name].source != _DEFAULT

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


def user_file(environment: Mapping[str, str], home: Path) -> Path:
    """Return where the user's own settings are (XDG Base Directory Specification)."""
    base = environment.get("XDG_CONFIG_HOME", "")
    folder = Path(base) if base.startswith("/") else home / ".config"
    return folder / "vestbench" / "config.toml"


def resolve(
    options: Mapping[str, str | None],
    *,
    environment: Mapping[str, str],
    folder: Path,
    home: Path,
) -> Settings:
    """Return every setting with the value that wins, and where it came from.

    Args:
        options: Texts given on the command line, by setting name; None is not given.
        environment: The environment variables.
        folder: Where `vestbench.toml` is looked for.
        home: The user's home folder.

    Raises:
        UsageError: A value is wrong, or a file cannot be read or used.
    """
    files = [
        (path, _read(path))
        for path in (folder / PROJECT_FILE, user_file(environment, home))
    ]
    values: dict[str, Value] = {}
    for setting in SETTINGS:
        text, source = setting.default, _DEFAULT
        for path, table in reversed(files):
            found = _lookup(path, table, setting)
            if found is not None:
                text, source = found, str(path)
        if setting.variable in environment:
            text, source = environment[setting.variable], setting.variable
        given = options.get(setting.name)
        if given is not None:
            text, source = given, setting.option
        try:
            value = setting.parse(text)
        except ValueError as error:
            raise UsageError(f"{source}: {setting.name}: {error}") from error
        values[setting.name] = Value(setting, text, value, source)
    return Settings(values)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        table = parse(read_bounded(path, _MAX_FILE_BYTES))
    except FileNotFoundError:
        return {}
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


def _lookup(path: Path, table: Mapping[str, Any], setting: Setting) -> str | None:
    section = table.get(setting.section, {}) if setting.section else table
    if not isinstance(section, Mapping) or setting.key not in section:
        return None
    value = section[setting.key]
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise UsageError(f"{path}: {setting.name} must be a text such as 60s")
    return str(value)
