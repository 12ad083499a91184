"""The import direction and the home of each library, as design.md has them."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support.package import MODULES, imports, part_of, tree
from vestbench.model.strategy import STRATEGIES

# Which parts of the package a part may import, besides itself. Changing this is a
# decision about the design (../shared/design.md, section 3), not about a test.
LOWEST = {"errors", "defaults", "characters", "_version"}
RECORDS = {*LOWEST, "model", "ipc", "files", "toml_file", "spool", "values"}
STACKS = {*RECORDS, "kernel"}
SIMULATOR = {*STACKS, "stacks", "venues", "stats"}
BESIDE = {"programs", "workers", "assertions", "report", "results"}
RUNNING = {*SIMULATOR, "simulator", *BESIDE}
STUDIES = {*RUNNING, "running"}
HISTORY = {*STUDIES, "studies"}
ALLOWED = {
    "_version": set(),
    "errors": set(),
    "defaults": set(),
    "characters": set(),
    "files": {"errors"},
    "toml_file": {"errors"},
    "values": {"errors", "defaults"},
    "loopback": set(),
    "ipc": {*LOWEST, "loopback"},
    "isolation": set(),
    "children": {"ipc", "isolation", "loopback"},
    "model": LOWEST,
    "config": {*LOWEST, "model", "files", "toml_file", "values"},
    "spool": {*LOWEST, "model"},
    "kernel": {"errors", "model"},
    "stacks": STACKS,
    "venues": RECORDS,
    "stats": {*LOWEST, "model"},
    "simulator": {*STACKS, "stacks", "children", "isolation"},
    "workers": {*STACKS, "stacks", "simulator", "children"},
    "programs": {*SIMULATOR, "simulator", "children", "isolation"},
    "assertions": {*RECORDS, "stats"},
    "report": {*RECORDS, "stats", "assertions"},
    "results": RECORDS,
    "running": RUNNING,
    "studies": STUDIES,
    "history": HISTORY,
    "cli": {*HISTORY, "history", "config"},
    "api": {*HISTORY, "history", "config"},
    "pytest_plugin": {"api"},
    "__main__": {"cli", "isolation"},
    "vestbench": {"_version", "api"},  # api: when one of its functions is first used
}
# Where each third-party library may be imported. A folder means all modules in it.
HOMES = {
    "typer": ("vestbench.cli",),
    "rich": ("vestbench.report.terminal", "vestbench.cli.console"),
    "pytest": ("vestbench.pytest_plugin",),
    # Of stacks only the adapter of each library: wire knows none.
    "httpx": ("vestbench.stacks.httpx_transport",),
    "httpcore": ("vestbench.stacks.httpx_transport",),
    "httpx2": ("vestbench.stacks.httpx_transport",),  # the extra httpx2
    "httpcore2": ("vestbench.stacks.httpx_transport",),
    "pyreqwest": (  # the extra reqwest
        "vestbench.stacks.reqwest_stack",
        "vestbench.stacks.reqwest_failures",
        "vestbench.stacks.reqwest_log",
    ),
    "certifi": ("vestbench.stacks.httpx_stack",),
    "idna": ("vestbench.venues",),  # what httpx brings
    # Records that are checked when they are read, and their JSON Schema.
    "msgspec": ("vestbench.model", "vestbench.results", "vestbench.studies"),
    "numpy": ("vestbench.stats",),
    "tomli_w": ("vestbench.results",),
    "trustme": ("vestbench.simulator",),
    "cryptography": ("vestbench.simulator.http.certificates",),  # what trustme brings
    "h2": ("vestbench.simulator.http.http2",),  # the extra http2
    "wsproto": ("vestbench.simulator.websocket", "vestbench.stacks.websocket"),  # ws
    "eth_account": ("vestbench.venues",),
    # What eth_account is made of, and depends on.
    "eth_abi": ("vestbench.venues",),
    "eth_utils": ("vestbench.venues",),
    # pycryptodome, for Keccak: 45 ms to import, and eth-hash would only wrap it.
    "Crypto": ("vestbench.simulator.vest.signatures",),
}
# Who else may do what only the command line may do, and why.
_MAIN = "the main program of a child: arguments in, exit status out"
_FORK = "a child that has nothing left to clean up, or not the parent's things"
EXCEPTIONS = {
    ("vestbench.simulator.exchange", "os._exit"): "its parent is gone",
    ("vestbench.simulator.lab", "sys.argv"): _MAIN,
    ("vestbench.simulator.lab", "os._exit"): _FORK,
    ("vestbench.simulator.link.lab_link", "os._exit"): _FORK,
    ("vestbench.programs.keeper", "os._exit"): _FORK,
    ("vestbench.programs.local_ports", "os._exit"): _FORK,
    ("vestbench.simulator.link.netns", "os._exit"): "its parent is gone",
    ("vestbench.workers.trust", "os.environ"): "looked at as libraries in a child do",
    ("vestbench.children", "os.environ"): "copied for a child, less secrets",
    (
        "vestbench.api.program",
        "os.environ",
    ): "inherited by a program, as any",
}


def is_within(module: str, homes: tuple[str, ...]) -> bool:
    return any(module == home or module.startswith(home + ".") for home in homes)


def all_imports(module: str) -> set[str]:
    return {
        *imports(module, typing_only=False),
        *imports(module, typing_only=True),
    }


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module: str) -> None:
    here = part_of(module)

    assert here in ALLOWED, f"{here} has no place in the design"
    for name in all_imports(module):
        if name.split(".")[0] != "vestbench":
            continue
        there = part_of(name)
        assert there == here or there in ALLOWED[here], f"{module} imports {name}"


@pytest.mark.parametrize(
    ("folder", "others"), [("http", ("link", "vest")), ("link", ("http", "vest"))]
)
def test_server_and_link_of_the_simulator_know_no_exchange(
    folder: str, others: tuple[str, ...]
) -> None:
    inside = [m for m in MODULES if is_within(m, (f"vestbench.simulator.{folder}",))]
    homes = tuple(f"vestbench.simulator.{other}" for other in others)

    assert inside
    found = {name for module in inside for name in all_imports(module)}
    assert not [name for name in found if is_within(name, homes)]


@pytest.mark.parametrize("module", MODULES)
def test_every_library_stays_at_home(module: str) -> None:
    known = {*sys.stdlib_module_names, "vestbench"}
    for typing_only in (False, True):
        for name in imports(module, typing_only=typing_only):
            library = name.split(".")[0]
            if library in known:
                continue
            homes = HOMES.get(library, ())
            assert is_within(module, homes), f"{module} imports {library}"


def deeds(module: str) -> set[str]:
    """Return what `module` does that only the command line may do."""
    found = set()
    direct = {
        "sys": {"exit", "stdout", "stderr", "stdin", "argv"},
        "os": {"environ", "getenv", "_exit"},
        "typer": {"echo", "secho", "Exit"},
    }
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in ("print", "input", "exit", "quit", "breakpoint"):
                found.add(node.func.id)
        elif isinstance(node, ast.Raise) and node.exc is not None:
            if "SystemExit" in ast.unparse(node.exc):
                found.add("sys.exit")
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.attr in direct.get(node.value.id, ()):
                found.add(f"{node.value.id}.{node.attr}")
        elif isinstance(node, ast.ImportFrom) and node.module in direct:
            found |= {
                f"{node.module}.{alias.name}"
                for alias in node.names
                if alias.name in direct[node.module]
            }
    return found


@pytest.mark.parametrize(
    "module", [name for name in MODULES if part_of(name) not in ("cli", "__main__")]
)
def test_only_the_command_prints_exits_or_reads_the_environment(module: str) -> None:
    assert {d for d in deeds(module) if (module, d) not in EXCEPTIONS} == set()


@pytest.mark.parametrize(("module", "deed"), EXCEPTIONS)
def test_an_exception_that_is_granted_is_still_used(module: str, deed: str) -> None:
    assert deed in deeds(module)


def test_the_command_starts_without_what_it_may_not_need() -> None:
    heavy = [
        *("rich", "numpy", "httpx", "httpcore", "certifi", "tomli_w", "trustme"),
        *("httpx2", "httpcore2", "pyreqwest", "h2"),
        *("eth_account", "asyncio", "ssl", "vestbench.stacks", "vestbench.simulator"),
        *("vestbench.stats", "vestbench.report", "vestbench.results"),
    ]
    script = (
        "import sys, vestbench.cli; "
        f"print(*sorted(name for name in {heavy} if name in sys.modules))"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == ""


def test_knowing_the_venues_does_not_import_what_signs() -> None:
    # It takes more than a second; only who signs waits for it.
    venues = [name for name in MODULES if part_of(name) == "venues"]
    script = (
        f"import sys, {', '.join(venues)}; "
        "print(*[n for n in ('eth_account', 'eth_abi', 'eth_utils') "
        "if n in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == ""


def test_nobody_but_the_list_of_venues_knows_vest() -> None:
    home = "vestbench.venues"
    outside = {
        module
        for module in MODULES
        if not module.startswith(f"{home}.vest")
        and any(name.startswith(f"{home}.vest.") for name in all_imports(module))
    }
    assert outside == {f"{home}.__init__"}


def test_measuring_needs_no_statistics_and_no_report() -> None:
    # What runs in the measuring process competes with it for caches and memory.
    script = (
        "import sys, vestbench.workers.worker; "
        "print(*sorted(n for n in sys.modules if n.startswith('vestbench.')), "
        "*[n for n in ('numpy', 'rich', 'typer') if n in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    parts = {part_of(name) for name in done.stdout.split() if "." in name}
    assert parts <= {*LOWEST, "ipc", "kernel", "model", "stacks", "workers"}
    assert not {"numpy", "rich", "typer"} & set(done.stdout.split())


def test_every_module_says_what_it_is() -> None:
    assert [name for name in MODULES if not ast.get_docstring(tree(name))] == []


def compared(module: str) -> Iterator[str]:
    """Yield the source of all that a module compares something with."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Compare):
            for side in (node.left, *node.comparators):
                parts = side.elts if isinstance(side, ast.Tuple | ast.List) else [side]
                yield from map(ast.unparse, parts)
        elif isinstance(node, ast.MatchValue):
            yield ast.unparse(node.value)


@pytest.mark.parametrize("module", MODULES)
def test_nothing_depends_on_the_name_of_a_strategy(module: str) -> None:
    names = {repr(name) for name in STRATEGIES}
    home = "vestbench.model.strategy."
    names |= {n.removeprefix(home) for n in all_imports(module) if n.startswith(home)}
    assert not names & set(compared(module))
