"""Options into the records that the core takes: settings, link, exchange."""

from __future__ import annotations

import os
from pathlib import Path

from vestbench import defaults
from vestbench.cli.console import say_aside
from vestbench.cli.option_records import field_of, given_in, refuse
from vestbench.cli.options import (
    DriftingLinkOptions,
    ExchangeOptions,
    LinkOptions,
    PoolOptions,
)
from vestbench.config import PROJECT_FILE, SETTINGS, Settings, resolve
from vestbench.errors import UsageError
from vestbench.files import leads_out, working_directory
from vestbench.model.simulated import ExchangeSpec, LinkSpec
from vestbench.values import chosen, duration

_ENGINES = ("auto", "packet", "tun", "relay")


def settings_here(pool: PoolOptions, **others: str | None) -> Settings:
    """Return the settings in force here and now, and say what was not followed.

    Args:
        pool: Options among which are those of the pool.
        others: Further options by name; None is not given.
    """
    given = {**vars(pool), **others}
    options = {each.name: given.get(field_of(each.option)) for each in SETTINGS}
    settings = resolve(
        options,
        environment=os.environ,
        folder=working_directory(),
        home=_home(),
        config=pool.config,
    )
    for each in settings.ignored:
        name = each.value.setting.name
        say_aside(
            f"./{PROJECT_FILE}: {name} is not followed: {each.why}; if you want it: "
            f"{each.remedy}"
        )
    return settings


def _home() -> Path | None:
    """Return the user's home; None without HOME, and an entry for this user."""
    try:
        home = Path.home()
    except RuntimeError:
        return None
    return home if home.is_absolute() else None


def results_folder(settings: Settings) -> Path:
    """Return the folder of results.

    Raises:
        UsageError: Nobody has named it, and a link of the project leads out of it.
    """
    folder = Path(settings["results"])
    if not settings.is_set("results") and leads_out(folder):
        raise UsageError(
            f"{folder} is a link that leads out of the project, to "
            f"{os.path.realpath(folder)}; if you want that, name the folder: --results"
        )
    return folder


def is_real(settings: Settings) -> bool:
    """True where requests leave this machine's simulated exchange."""
    return bool(settings["venue"] != defaults.VENUE)


def link_spec(options: LinkOptions, seed: int) -> LinkSpec | None:
    """Return the link that is asked for, or None for plain loopback."""
    rtt_s = duration("--rtt", options.rtt or defaults.RTT)
    engine = chosen("--link", options.link or defaults.ENGINE, _ENGINES)
    jitter_s = duration("--jitter", options.jitter)
    if rtt_s == 0:
        given = given_in(options, DriftingLinkOptions)
        others = [name for name in given if name != "--rtt"]
        refuse(others, "without a link (--rtt 0ms) there is nothing to set")
        return None
    if rtt_s > 5:
        raise UsageError("--rtt: more than 5s is no round trip")
    if jitter_s > 5:
        raise UsageError("--jitter: more than 5s is no jitter")
    drift_s = duration("--drift", getattr(options, "drift", None))
    return LinkSpec(
        rtt_ms=rtt_s * 1e3,
        jitter_ms=jitter_s * 1e3,
        loss=options.loss or 0.0,
        seed=seed,
        drift_ms_per_s=1e3 * drift_s,
        engine=engine,
    )


def exchange_spec(options: ExchangeOptions) -> ExchangeSpec:
    """Return the exchange that is asked for."""
    processing_s = duration(
        "--processing", options.processing, defaults.PROCESSING_MS / 1e3
    )
    slow_s = duration("--order-processing", options.order_processing, -1.0)
    return ExchangeSpec(
        tls=chosen("--tls", options.tls or defaults.TLS, ("1.2", "1.3")),
        idle_timeout_s=duration(
            "--idle-timeout", options.idle_timeout, defaults.IDLE_TIMEOUT_S
        ),
        max_requests=options.max_requests or 0,
        processing_ms=1e3 * processing_s,
        order_processing_ms=None if slow_s < 0 else 1e3 * slow_s,
    )
