"""Inside ``ui``: views show, view-models know the core, widgets know neither."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

UI = Path(__file__).resolve().parents[2] / "ui"
FORBIDDEN = {
    "views": ("app",),
    "widgets": ("app", "ui.viewmodels", "ui.views", "ui.shell"),
    "viewmodels": ("PySide6.QtWidgets", "ui.widgets", "ui.views", "ui.shell", "ui.theme"),
    "theme": ("ui.widgets", "ui.views", "ui.viewmodels", "ui.shell"),
}


def imports(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("room", FORBIDDEN)
def test_rooms_of_the_window_keep_to_themselves(room: str) -> None:
    bad = [
        f"{file.name}: {name}"
        for file in (UI / room).glob("*.py")
        for name in imports(file)
        for walled in FORBIDDEN[room]
        if name == walled or name.startswith(f"{walled}.")
    ]
    assert bad == []


def test_only_the_theme_sets_style_sheets() -> None:
    users = {file.name for file in UI.rglob("*.py") if "setStyleSheet(" in file.read_text(encoding="utf-8")}
    assert users == {"apply.py"}


def test_colours_are_named_in_the_tokens_only() -> None:
    import re

    users = {
        file.name for file in UI.rglob("*.py") if re.search(r"#[0-9a-fA-F]{6}\b", file.read_text(encoding="utf-8"))
    }
    assert users == {"tokens.py"}
