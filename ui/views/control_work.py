"""Joins the form's ControlNets and areas to the canvas: making maps, painting on them, painting areas."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QObject
from PySide6.QtGui import QImage

from ui.i18n import tr
from ui.viewmodels.control_maps import MapsVM
from ui.views.paint_overlay import PaintOverlay
from ui.widgets.fields import RegionsPainted, Services
from ui.widgets.regions_field import colour_of


class ControlWork(QObject):
    """One thing is painted at a time; another one ends it, and what was painted counts."""

    def __init__(self, vm: MapsVM, overlay: PaintOverlay, services: Services) -> None:
        super().__init__(overlay)
        self._vm, self.overlay = vm, overlay
        self._regions: RegionsPainted | None = None
        self._then: Callable[[str], None] | None = None
        self._left = 0
        services.canvas = vm.canvas_path
        services.make_map = vm.make
        services.edit_map = self.edit_map
        services.paint = self.paint
        vm.finish = overlay.finish
        overlay.done.connect(self._done)
        overlay.dropped.connect(self._forget)

    # maps

    def edit_map(self, path: str, then: Callable[[str], None]) -> None:
        self.overlay.finish()

        def opened(image: QImage) -> None:
            self._then = then
            self.overlay.paint_map(image)

        self._vm.open(path, opened)

    # areas

    def paint(self, regions: RegionsPainted) -> None:
        """Open the canvas for the areas, whose masks are read first."""
        self.overlay.finish()
        ground = self._vm.ground()
        drafts = list(regions.drafts)
        masks: list[QImage] = []
        for _ in drafts:
            empty = QImage(ground.size(), QImage.Format.Format_Grayscale8)
            empty.fill(0)
            masks.append(empty)
        waiting = [number for number, draft in enumerate(drafts) if draft.get("mask")]

        def opened() -> None:
            looks = [
                (colour_of(number), str(draft.get("prompt") or "").strip() or tr("Area {n}", n=number + 1))
                for number, draft in enumerate(drafts)
            ]
            chosen = min(max(0, int(getattr(regions, "chosen", 0))), len(drafts) - 1)
            self._regions = regions
            self.overlay.paint_areas(ground, masks, looks, chosen)

        def read(number: int, image: QImage) -> None:
            masks[number] = image
            waiting.remove(number)
            if not waiting:
                opened()

        for number in list(waiting):
            path = str(drafts[number]["mask"])
            self._vm.read_area(path, ground.size(), partial(read, number))
        if drafts and not waiting:
            opened()

    # the end

    def _done(self) -> None:
        regions, then = self._regions, self._then
        touched, layers = sorted(self.overlay.touched), list(self.overlay.layers)
        self._forget()
        if then is not None and touched:
            self._vm.keep_map(layers[0], then)
        if regions is not None:
            for number in touched:
                self._keep(regions, number, layers[number])

    def _keep(self, regions: RegionsPainted, number: int, mask: QImage) -> None:
        draft = regions.drafts[number] if number < len(regions.drafts) else None

        def kept(path: str) -> None:
            if draft is not None and any(each is draft for each in regions.drafts):
                draft["mask"] = path
                regions.painted()

        self._vm.keep_area(mask, kept)

    def _forget(self) -> None:
        self._regions, self._then = None, None
