"""The rules of the house, held by machines: style, types, the direction of imports, the size of a room."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted([*ROOT.glob("recorder/**/*.py"), *ROOT.glob("storage/**/*.py")])

MOST_LINES_OF_A_MODULE = 320
MOST_LINES_OF_A_FUNCTION = 60


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["-m", "ruff", "check", "--no-cache", "."], id="lint"),
        pytest.param(["-m", "ruff", "format", "--no-cache", "--check", "."], id="format"),
        pytest.param(["-m", "mypy"], id="types"),
        pytest.param(["-c", "from importlinter.cli import lint_imports_command as c; c()"], id="imports"),
    ],
)
@pytest.mark.timeout(300)
def test_machine_checks_find_nothing(command: list[str]) -> None:
    result = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False)

    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_is_one_room(path: Path) -> None:
    source = path.read_text()
    functions = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    too_long = [
        node.name for node in functions if (node.end_lineno or 0) - node.lineno > MOST_LINES_OF_A_FUNCTION
    ]

    assert len(source.splitlines()) <= MOST_LINES_OF_A_MODULE
    assert too_long == []
    assert ast.get_docstring(ast.parse(source)), "a module says what lives there and what it must not know"


def test_the_top_level_holds_what_was_agreed() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if tracked.returncode:
        pytest.skip("not a git checkout")
    top = {line.split("/")[0] for line in tracked.stdout.splitlines()}

    agreed = {"pyproject.toml", "recorder", "storage", "tests", "systemd", "README.md", "LICENSE"}
    assert {name for name in top if not name.startswith(".")} <= agreed
