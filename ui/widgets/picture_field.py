"""A picture as an input: drop one, browse for one, paste one; then it stands there small, with a way to take it out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import (
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QImage,
    QPainter,
    QPainterPath,
    QPaintEvent,
)
from PySide6.QtWidgets import QFileDialog, QFrame, QHBoxLayout, QWidget

from ui.i18n import tr
from ui.theme import current
from ui.theme.icons import paint_icon
from ui.widgets.controls import Button, ElidedLabel, IconButton, mark
from ui.widgets.fields import Field, Schema, Services

SUFFIXES = (
    ".png", ".apng", ".jpg", ".jpeg", ".webp", ".avif", ".tif", ".tiff", ".gif", ".bmp", ".jp2", ".ppm", ".pgm", ".tga",
    ".ico", ".heic", ".heif",
)  # fmt: skip
"""Those of ``models.pictures``, which the window loads only with the first picture (a test compares them)."""


def picture_file(urls: list[Any]) -> str:
    """The first local picture among dropped URLs; empty when there is none."""
    paths = (url.toLocalFile() for url in urls if url.isLocalFile())
    return next((path for path in paths if Path(path).suffix.lower() in SUFFIXES), "")


class Thumb(QWidget):
    """The chosen picture, or the icon that stands for none."""

    def __init__(self) -> None:
        super().__init__()
        self.image: QImage | None = None
        self.setFixedSize(30, 30)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        if self.image is None or self.image.isNull():
            paint_icon(painter, "image-plus", QRectF(6, 6, 18, 18), current().soft)
        else:
            path = QPainterPath()
            path.addRoundedRect(QRectF(self.rect()), 5, 5)
            painter.setClipPath(path)
            side = min(self.image.width(), self.image.height())
            middle = QRectF((self.image.width() - side) / 2, (self.image.height() - side) / 2, side, side)
            painter.drawImage(QRectF(self.rect()), self.image, middle)
        painter.end()


class PictureField(Field):
    def __init__(self, name: str, schema: Schema, default: Any) -> None:
        super().__init__(name, schema, default)
        self._path = ""
        self._services = Services()
        self._mask = schema.get("x-kind") == "mask"
        self._frame = QFrame()
        self._frame.setAcceptDrops(False)
        mark(self._frame, surface="note")
        self._thumb = Thumb()
        self._words = ElidedLabel("", tone="soft", mode=Qt.TextElideMode.ElideMiddle)
        self._browse = Button(tr("Browse"), "quiet")
        self._browse.clicked.connect(self.browse)
        self._clear = IconButton("x", tr("Take {name} out", name=self.title.lower()), f"create.clear.{name}", 16)
        self._clear.clicked.connect(self.reset)
        line = QHBoxLayout(self._frame)
        line.setContentsMargins(5, 3, 4, 3)
        line.setSpacing(6)
        for part, stretch in ((self._thumb, 0), (self._words, 1), (self._browse, 0), (self._clear, 0)):
            line.addWidget(part, stretch)
        self.adopt(self._browse)
        self._browse.setAccessibleName(tr("{name}: choose a file", name=self.title))
        self._caption.hide()
        self.body.addWidget(self._frame)
        self.setAcceptDrops(True)
        self.finish()
        self._show()

    def browse(self) -> None:
        kinds = " ".join(f"*{suffix}" for suffix in SUFFIXES)
        path, _ = QFileDialog.getOpenFileName(
            self, tr("Choose a picture"), self._path, f"{tr('Pictures')} ({kinds});;{tr('All files')} (*)"
        )
        if path:
            self.take(path)

    def take(self, path: str) -> None:
        """Use the picture in file ``path``, as if it was chosen by hand."""
        self.show_value(path)
        self.note()
        self.left.emit()

    def _show(self) -> None:
        self.refresh()
        empty = tr("Drop a picture to start from it")
        if self._mask:
            empty = tr("Drop a mask here")
        elif self.name != "image":
            empty = tr("{name}: drop a picture", name=self.title)
        self._words.set_full(Path(self._path).name if self._path else empty, self._path)
        self._clear.setVisible(bool(self._path))
        self._browse.setVisible(not self._path)
        self._show_reset()

    def attach(self, services: Services) -> None:
        self._services = services

    def refresh(self) -> None:
        self._thumb.image = self._services.thumb(self._path) if self._path else None
        self._thumb.update()

    def _show_reset(self) -> None:
        self._reset.setVisible(False)
        policy = self._reset.sizePolicy()
        policy.setRetainSizeWhenHidden(False)
        self._reset.setSizePolicy(policy)

    def value(self) -> Any:
        return self._path or None

    def show_value(self, value: Any) -> None:
        self._path = str(value) if value else ""
        self._show()

    def light(self, on: bool) -> None:
        """Show that a drag over the window could be dropped here."""
        mark(self._frame, surface="drop" if on else "note")

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802
        if picture_file(event.mimeData().urls()):
            event.acceptProposedAction()
            self.light(True)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:  # noqa: N802
        self.light(False)

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802
        self.light(False)
        path = picture_file(event.mimeData().urls())
        if path:
            event.acceptProposedAction()
            self.take(path)
