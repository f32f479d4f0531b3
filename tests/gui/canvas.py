"""Hands on the canvas: real mouse, wheel, tablet and key events at places of the picture."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QCoreApplication, QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QImage, QInputDevice, QMouseEvent, QPointingDevice, QTabletEvent, QWheelEvent

from ui.demo_pictures import landscape

LEFT, NONE = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
PLAIN = Qt.KeyboardModifier.NoModifier


def picture(folder: Path, width: int = 400, height: int = 300, name: str = "mine.png") -> str:
    path = folder / name
    assert landscape(3, width, height).save(str(path))
    return str(path)


def take(qtbot, window, path: str):
    """Work on ``path``; waits until it lies on the canvas."""
    work = window.workspace.work
    assert work.take(path)
    qtbot.waitUntil(lambda: work.shown and not work.loading and work.path == path)
    qtbot.waitUntil(lambda: window.workspace.canvas.shown.work)
    return work


def place(view, x: float, y: float) -> QPointF:
    """Where pixel (x, y) of the picture is in the view."""
    return view.viewportTransform().map(QPointF(x, y))


def mouse(view, kind: QEvent.Type, at: QPointF, button=LEFT, buttons=LEFT, keys=PLAIN) -> None:
    there = QPointF(view.viewport().mapToGlobal(at.toPoint()))
    QCoreApplication.sendEvent(view.viewport(), QMouseEvent(kind, at, there, button, buttons, keys))


def drag(view, *points: tuple[float, float], button=LEFT, keys=PLAIN, let_go: bool = True) -> None:
    """Press at the first point (pixels of the picture), move over the others, let go."""
    places = [place(view, *point) for point in points]
    mouse(view, QEvent.Type.MouseButtonPress, places[0], button, button, keys)
    for at in places[1:]:
        mouse(view, QEvent.Type.MouseMove, at, NONE, button, keys)
    if let_go:
        mouse(view, QEvent.Type.MouseButtonRelease, places[-1], button, NONE, keys)


def pen(view, kind: QEvent.Type, at: tuple[float, float], pressure: float, eraser: bool = False) -> None:
    types = QPointingDevice.PointerType
    device = QPointingDevice(
        "pen", 7, QInputDevice.DeviceType.Stylus, types.Eraser if eraser else types.Pen,
        QInputDevice.Capability.Position | QInputDevice.Capability.Pressure, 1, 1,
    )  # fmt: skip
    where = place(view, *at)
    there = QPointF(view.viewport().mapToGlobal(where.toPoint()))
    buttons = NONE if kind == QEvent.Type.TabletRelease else LEFT
    button = NONE if kind == QEvent.Type.TabletMove else LEFT
    event = QTabletEvent(kind, device, where, there, pressure, 0, 0, 0, 0, 0, PLAIN, button, buttons)
    QCoreApplication.sendEvent(view.viewport(), event)


def wheel(view, at: QPointF, turns: int = 1) -> None:
    there = QPointF(view.viewport().mapToGlobal(at.toPoint()))
    event = QWheelEvent(at, there, QPoint(), QPoint(0, 120 * turns), NONE, PLAIN, Qt.ScrollPhase.NoScrollPhase, False)
    QCoreApplication.sendEvent(view.viewport(), event)


def grey(image: QImage, x: int, y: int) -> int:
    return image.pixelColor(x, y).red()


def send(qtbot, core, window) -> dict:
    """Press Generate; the inputs that were queued."""
    before = len(core.queue.jobs())
    window.workspace.create.generate()
    qtbot.waitUntil(lambda: len(core.queue.jobs()) > before)
    return core.queue.jobs()[-1].inputs
