"""Starts the window: application, fonts, theme, core, and an orderly end."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from types import FrameType

from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QApplication

from models.errors import AtelierError, ErrorCode, ErrorInfo
from ui.bridge import QtDispatcher
from ui.shell import MainWindow
from ui.theme.apply import Theme
from ui.theme.icons import app_icon
from ui.viewmodels.ports import CorePort
from ui.viewmodels.words import error_view
from ui.viewmodels.workspace import Workspace
from ui.views.start_failed import StartFailed


def application(argv: Sequence[str] | None = None) -> QApplication:
    """The one application; made when there is none yet."""
    found = QApplication.instance()
    if isinstance(found, QApplication):
        return found
    app = QApplication(list(argv) if argv is not None else ["atelier"])
    app.setApplicationName("atelier")
    app.setApplicationDisplayName("Atelier")
    app.setDesktopFileName("atelier")
    app.setWindowIcon(app_icon())
    return app


def theme_of(app: QApplication) -> Theme:
    found = app.findChild(QObject, "theme")
    if isinstance(found, Theme):
        return found
    made = Theme(app)
    made.setObjectName("theme")
    return made


def open_window(core: CorePort | None = None, argv: Sequence[str] | None = None) -> MainWindow:
    """Build and show the window; the core starts right after it is on the screen.

    A core that is given stays its giver's to close; one made here is closed with the window.

    Raises:
        AtelierError: the core cannot work here, say because its folder cannot be written to.
    """
    app = application(argv)
    theme = theme_of(app)
    own = core is None
    if core is None:
        core = _make_core(app)
    theme.choose(core.settings.value.theme)
    workspace = Workspace(core)
    window = MainWindow(workspace, theme)
    workspace.setParent(window)
    if own:
        window.closed.connect(core.close)
    window.show()
    QTimer.singleShot(0, window, lambda: _begin(core, window))
    return window


def _begin(core: CorePort, window: MainWindow) -> None:
    if not window.is_closing:  # it may have been closed as soon as it was there
        core.start()


def _make_core(app: QApplication) -> CorePort:
    from app.core import Core
    from app.paths import default_paths

    dispatcher = QtDispatcher(app)
    return Core(default_paths(), dispatcher, origin="window")


def no_screen() -> bool:
    """True on a Linux machine without a display server; Qt would abort the process there."""
    wanted = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    return sys.platform.startswith("linux") and not any(os.environ.get(name) for name in wanted)


def run() -> int:
    """The window until it is closed. SIGINT and SIGTERM close it as the user would."""
    if no_screen():
        sys.stderr.write("There is no screen to open a window on. Use the command line: atelier generate --help\n")
        return 1
    app = application(sys.argv)
    try:
        window = open_window()
    except AtelierError as error:
        return _refuse(app, error.info)
    except Exception as error:  # noqa: BLE001 - nothing is on the screen yet that could say it
        return _refuse(app, ErrorInfo(ErrorCode.INTERNAL, {}, "".join(traceback.format_exception(error))))

    def end(number: int, frame: FrameType | None) -> None:
        window.close()

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
    # Python sees signals only while it runs: let it, a few times a second.
    pulse = QTimer(app)
    pulse.timeout.connect(lambda: None)
    pulse.start(250)
    return app.exec()


def _refuse(app: QApplication, error: ErrorInfo) -> int:
    """Say why there is no window, on the screen and to whoever started the program; the exit status."""
    view = error_view(error)
    sys.stderr.write(f"{view.sentence} {view.advice}".strip() + "\n")
    theme_of(app)
    StartFailed(view).exec()
    return 1
