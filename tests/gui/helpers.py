"""Finding things in the window as assistive tools do: by object name."""

from __future__ import annotations

from typing import TypeVar

from PySide6.QtWidgets import QWidget

W = TypeVar("W", bound=QWidget)


def find(window: QWidget, name: str, kind: type[W] = QWidget) -> W:
    found = window.findChild(kind, name)
    assert found is not None, name
    return found


def problem(window: QWidget, name: str) -> str:
    from PySide6.QtWidgets import QLabel

    label = find(window, f"create.problem.{name}", QLabel)
    return label.text() if label.isVisible() else ""


def submit(core, window, prompt: str = "red apple", count: int = 1, **inputs) -> str:
    """Send a job through the view-model, as Generate does."""
    create = window.workspace.create
    create.set_values({"prompt": prompt, **inputs})
    create.set_count(count)
    job = create.generate()
    assert job is not None
    return job
