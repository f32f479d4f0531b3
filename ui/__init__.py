"""What people see: Qt widgets, view-models, theme. Imports the core, never torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ui.shell import MainWindow
    from ui.viewmodels.ports import CorePort


def open_window(core: CorePort | None = None, argv: Sequence[str] | None = None) -> MainWindow:
    """Build the application and the main window, show it, and return it; see ``ui.application.open_window``."""
    from ui.application import open_window as build  # Qt is loaded only when a window is wanted

    return build(core, argv)


def main() -> int:
    """Run the window until it is closed; the exit status."""
    from ui.application import run

    return run()
