"""Money is never a float, pure cores stay pure, modules stay small."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MONEY = ("user_project/trading", "user_project/exchanges", "common/money.py")
PURE = (
    *("user_project/trading", "central_project/analysis", "common"),
    *("user_project/central_api/grading.py", "user_project/central_api/ladder.py"),
)
FRAMEWORKS = ("django", "celery", "rest_framework", "redis")
IMPURE_IMPORTS = {"random", "secrets", "time", "os", "socket", "requests"}
IMPURE_CALLS = {"now", "utcnow", "today", "getenv", "uuid4"}
PACKAGES = ("common", "central_project", "user_project", "deploy")
MAX_LINES = 400


def sources(*places: str) -> list[Path]:
    found = []
    for place in places:
        path = ROOT / place
        found += [path] if path.is_file() else sorted(path.rglob("*.py"))
    return [path for path in found if "migrations" not in path.parts]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def floats(tree: ast.AST) -> Iterator[int]:
    """Yield the lines that write a float or make one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            yield node.lineno
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "float":
            yield node.lineno


def impurities(tree: ast.AST) -> Iterator[str]:
    """Yield what reads the clock, chance, the environment or the network."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from IMPURE_IMPORTS.intersection(item.name for item in node.names)
        if isinstance(node, ast.ImportFrom) and node.module in IMPURE_IMPORTS:
            yield str(node.module)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield from IMPURE_CALLS.intersection({node.func.attr})


@pytest.mark.parametrize("path", sources(*MONEY), ids=name_of)
def test_money_is_never_a_float(path: Path) -> None:
    found = list(floats(ast.parse(path.read_text())))

    assert found == []


@pytest.mark.parametrize("path", sources(*PURE), ids=name_of)
def test_pure_code_takes_time_and_chance_as_arguments(path: Path) -> None:
    found = list(impurities(ast.parse(path.read_text())))

    assert found == []


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ("x = 0.5", 1),
        ("x = float('1')", 1),
        ("x: float = Decimal('0.5')", 0),
        ("1e3", 1),
    ],
)
def test_the_search_for_floats_finds_them(code: str, count: int) -> None:
    assert len(list(floats(ast.parse(code)))) == count


@pytest.mark.parametrize(
    "code",
    ["import random", "from os import environ", "datetime.now(UTC)", "uuid.uuid4()"],
)
def test_the_search_for_impurities_finds_them(code: str) -> None:
    assert list(impurities(ast.parse(code)))


def test_the_pure_cores_load_no_framework() -> None:
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in sources(*PURE)
        if path.name != "__init__.py"
    ]

    loaded = loaded_after_importing(modules)

    assert loaded.isdisjoint(FRAMEWORKS)


def test_exchange_adapters_load_no_web_framework() -> None:
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in sources("user_project/exchanges")
        if path.name != "__init__.py"
    ]

    loaded = loaded_after_importing(modules)

    assert loaded.isdisjoint({"django", "celery", "rest_framework"})


@pytest.mark.parametrize("path", sources(*PACKAGES), ids=name_of)
def test_a_module_fits_in_the_head(path: Path) -> None:
    lines = len(path.read_text().splitlines())

    assert lines <= MAX_LINES, "split it by noun"


def loaded_after_importing(modules: list[str]) -> set[str]:
    """Import *modules* in a fresh interpreter; return the top-level names it loaded."""
    program = (
        "import importlib, sys\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return set(result.stdout.split())
