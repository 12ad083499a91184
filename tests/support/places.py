"""Where settings come from, in folders of a test's own."""

from __future__ import annotations

from pathlib import Path

from vestbench.config import Settings, resolve

# Each pool setting: its variable, its option, a text and what that means.
POOL = {
    "pool.max_idle": ("VESTBENCH_POOL_MAX_IDLE", "--pool-max-idle", "7", 7),
    "pool.idle_timeout": (
        "VESTBENCH_POOL_IDLE_TIMEOUT",
        "--pool-idle-timeout",
        "2m",
        120.0,
    ),
    "pool.tcp_keepalive": ("VESTBENCH_POOL_TCP_KEEPALIVE", "--tcp-keepalive", "0s", 0),
    "pool.connect_timeout": (
        "VESTBENCH_POOL_CONNECT_TIMEOUT",
        "--connect-timeout",
        "3s",
        3.0,
    ),
    "pool.request_timeout": (
        "VESTBENCH_POOL_REQUEST_TIMEOUT",
        "--timeout",
        "1500ms",
        1.5,
    ),
}


class Places:
    """A project folder and a home, and what `resolve` makes of them."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "project"
        self.home = root / "home"
        self.project_file = self.folder / "vestbench.toml"
        self.user_file = self.home / ".config" / "vestbench" / "config.toml"
        self.folder.mkdir()
        self.user_file.parent.mkdir(parents=True)

    def resolve(
        self,
        options: dict[str, str | None] | None = None,
        environment: dict[str, str] | None = None,
        config: Path | None = None,
    ) -> Settings:
        return resolve(
            options or {},
            environment=environment or {},
            folder=self.folder,
            home=self.home,
            config=config,
        )
