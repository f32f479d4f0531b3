"""The rules of the house, checked in the test run: imports, lint, format, types, and that light rooms stay light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "torchvision", "diffusers", "transformers", "accelerate", "peft")


def check(*command: str) -> None:
    answer = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_rooms_import_only_what_they_may() -> None:
    lint = "from importlinter.cli import lint_imports_command as lint; lint()"
    answer = subprocess.run([sys.executable, "-c", lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout


def test_lint() -> None:
    check("ruff", "check", ".")


def test_format() -> None:
    check("ruff", "format", "--check", ".")


@pytest.mark.timeout(600)
def test_types() -> None:
    check("mypy")


@pytest.mark.parametrize("module", ["app.core", "app.cli", "app.generate", "ui", "ui.application", "models.schemas"])
def test_light_rooms_import_nothing_heavy(module: str) -> None:
    """Static contracts cannot tell a late import from an early one; this looks at what is really loaded."""
    code = f"import sys, {module}; print([m for m in {HEAVY!r} if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_the_core_starts_without_qt() -> None:
    code = "import sys, app.core, app.generate; print([m for m in sys.modules if m.startswith('PySide6')])"
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def python_files() -> list[Path]:
    return [path for room in ("app", "models", "ui", "installers") for path in (ROOT / room).rglob("*.py")]


def test_modules_stay_short() -> None:
    long = {str(p.relative_to(ROOT)): n for p in python_files() if (n := len(p.read_text().splitlines())) > 500}
    assert long == {}


def test_every_module_says_what_it_is() -> None:
    silent = [str(p.relative_to(ROOT)) for p in python_files() if not ast.get_docstring(ast.parse(p.read_text()))]
    assert silent == []
