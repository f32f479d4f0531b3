"""What lies in the canvas's scene: the picture at the level of detail the zoom asks for, and the mask as a tint."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QPointF, QRectF, QSizeF, Qt
from PySide6.QtGui import QBrush, QColor, QImage, QPainter, QPixmap, QTransform, qRgba
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from ui.theme import current, tokens


def exposed(option: QStyleOptionGraphicsItem, box: QRectF, margin: float) -> QRectF:
    """What has to be painted, and a little more, so that smoothing has its neighbours."""
    rect: QRectF = option.exposedRect
    return rect.adjusted(-margin, -margin, margin, margin).intersected(box)


class PictureItem(QGraphicsItem):
    """One picture, stretched over ``width`` x ``height``. ``levels`` are smaller versions of it for small zooms."""

    def __init__(self) -> None:
        super().__init__()
        self.setFlag(QGraphicsItem.GraphicsItemFlag.ItemUsesExtendedStyleOption)
        self._box = QRectF()
        self._images: list[QImage] = []
        self.exact = False

    def show_image(
        self,
        image: QImage | None,
        width: float,
        height: float,
        levels: Sequence[QImage] = (),
        at: QPointF | None = None,
    ) -> None:
        self.prepareGeometryChange()
        self._box = QRectF(at or QPointF(), QSizeF(width, height))
        self._images = [] if image is None else [image, *levels]
        self.update()

    def image(self) -> QImage | None:
        return self._images[0] if self._images else None

    def boundingRect(self) -> QRectF:  # noqa: N802
        return self._box

    def _fitting(self, scale: float) -> QImage:
        """The smallest version that still has a pixel for each of the screen's."""
        best = self._images[0]
        for image in self._images[1:]:
            if image.width() >= self._box.width() * scale * 0.999:
                best = image
        return best

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        if not self._images or self._box.isEmpty():
            return
        ratio = widget.devicePixelRatioF() if widget is not None else 1.0
        image = self._fitting(painter.worldTransform().m11() * ratio)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, not self.exact)
        part = exposed(option, self._box, 0)
        if image.hasAlphaChannel():
            _checkers(painter, part)
        draw_part(painter, image, self._box, part)


class BeforeItem(PictureItem):
    """The picture before, over the one after, up to ``split`` (in the scene's pixels)."""

    def __init__(self) -> None:
        super().__init__()
        self._split = 0.0

    def set_split(self, split: float) -> None:
        self._split = split
        self.update()

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        painter.save()
        left = self._box.left() - 1
        painter.setClipRect(QRectF(left, self._box.top(), self._split - left, self._box.height()),
                            Qt.ClipOperation.IntersectClip)  # fmt: skip
        super().paint(painter, option, widget)
        painter.restore()


def _checkers(painter: QPainter, part: QRectF) -> None:
    """What stands for "nothing here" beneath pictures with transparent places."""
    where = painter.worldTransform()
    painter.save()
    painter.resetTransform()
    box = where.mapRect(part)
    painter.fillRect(box, QColor(tokens.CHECKER_LIGHT))
    brush = QBrush(QColor(tokens.CHECKER_DARK), Qt.BrushStyle.Dense4Pattern)
    brush.setTransform(QTransform.fromScale(4, 4))
    painter.fillRect(box, brush)
    painter.restore()


def draw_part(painter: QPainter, image: QImage, box: QRectF, wanted: QRectF) -> None:
    """Draw those whole pixels of ``image`` (stretched over ``box``) that ``wanted`` touches."""
    across, down = image.width() / box.width(), image.height() / box.height()
    x, y = wanted.x() - box.x(), wanted.y() - box.y()
    source = QRectF(x * across, y * down, wanted.width() * across, wanted.height() * down)
    whole = source.toAlignedRect().adjusted(-2, -2, 2, 2).intersected(image.rect())
    left, top = box.x() + whole.x() / across, box.y() + whole.y() / down
    painter.drawImage(QRectF(left, top, whole.width() / across, whole.height() / down), image, QRectF(whole))


def _stripes() -> QPixmap:
    """The tint with light and dark diagonals, so that it shows on any picture."""
    side = 12
    tile = QImage(side, side, QImage.Format.Format_ARGB32_Premultiplied)
    tile.fill(QColor(*tokens.MASK_TINT))
    painter = QPainter(tile)
    for y in range(side):
        for x in range(side):
            place = (x + y) % side
            if place < 2:
                painter.fillRect(x, y, 1, 1, QColor(*(tokens.MASK_LIGHT if place == 0 else tokens.MASK_DARK)))
    painter.end()
    return QPixmap.fromImage(tile)


_TABLE = [qRgba(255, 255, 255, value) for value in range(256)]


class MaskItem(QGraphicsItem):
    """The mask that ``source`` gives, as a tint over the picture; the grey image is painted without a copy."""

    def __init__(self, source: Callable[[], QImage | None]) -> None:
        super().__init__()
        self.setFlag(QGraphicsItem.GraphicsItemFlag.ItemUsesExtendedStyleOption)
        self._source = source
        self._pattern: QBrush | None = None
        self._box = QRectF()

    def fit(self, width: int, height: int) -> None:
        self.prepareGeometryChange()
        self._box = QRectF(0, 0, width, height)

    def boundingRect(self) -> QRectF:  # noqa: N802
        return self._box

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        image = self._source()
        if image is None or self._box.isEmpty():
            return
        ratio = widget.devicePixelRatioF() if widget is not None else 1.0
        where = painter.worldTransform()
        part = exposed(option, self._box, 2 / max(0.001, where.m11()))
        device = where.mapRect(part).toAlignedRect()
        layer = QImage(device.size() * ratio, QImage.Format.Format_ARGB32_Premultiplied)
        if layer.isNull():
            return
        layer.setDevicePixelRatio(ratio)
        layer.fill(0)
        if self._pattern is None:
            self._pattern = QBrush(_stripes())
        over = QPainter(layer)
        over.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, where.m11() * ratio < 4)
        over.translate(-device.x(), -device.y())
        over.setTransform(where * over.transform())
        self._draw_white(over, image, part)
        over.setTransform(QTransform())
        over.setCompositionMode(QPainter.CompositionMode.CompositionMode_SourceIn)
        over.setBrushOrigin(QPointF(-device.x() % 12, -device.y() % 12))
        over.fillRect(layer.rect(), self._pattern)
        over.end()
        painter.save()
        painter.resetTransform()
        painter.drawImage(device.topLeft(), layer)
        painter.restore()

    def _draw_white(self, painter: QPainter, image: QImage, part: QRectF) -> None:
        """The grey values as opacities: the same bytes, looked up in a table."""
        image.reinterpretAsFormat(QImage.Format.Format_Indexed8)
        image.setColorTable(_TABLE)
        try:
            draw_part(painter, image, self._box, part)
        finally:
            image.reinterpretAsFormat(QImage.Format.Format_Grayscale8)


class HatchItem(QGraphicsItem):
    """The area that outpainting will add, hatched, under the picture."""

    def __init__(self) -> None:
        super().__init__()
        self._frame = QRectF()

    def show_frame(self, frame: QRectF) -> None:
        self.prepareGeometryChange()
        self._frame = frame
        self.update()

    def boundingRect(self) -> QRectF:  # noqa: N802
        return self._frame

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        where = painter.worldTransform()
        painter.save()
        painter.resetTransform()
        box = where.mapRect(self._frame)
        painter.fillRect(box, QColor(current().raised))
        painter.fillRect(box, QBrush(QColor(current().edge), Qt.BrushStyle.BDiagPattern))
        painter.restore()
