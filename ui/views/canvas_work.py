"""Joins the picture that is worked on to the canvas: tools, brush, mask, frame, their bar and their keys."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QFileDialog, QWidget

from ui.i18n import tr
from ui.viewmodels import outpaint
from ui.viewmodels.canvas import CanvasVM
from ui.viewmodels.painting import MASK_TOOLS
from ui.widgets.canvas_bar import LARGEST_BRUSH, BarState, CanvasBar
from ui.widgets.canvas_view import CanvasView
from ui.widgets.picture_field import SUFFIXES

BRUSH_STEP = 1.2


class CanvasWork(QObject):
    """``tool`` is what the user chose; it rests while a result is looked at."""

    def __init__(self, vm: CanvasVM, view: CanvasView, bar: CanvasBar, panel: QWidget) -> None:
        super().__init__(panel)
        self._vm, self._work = vm, vm.work
        self._view, self._bar, self._panel = view, bar, panel
        self.tool = ""
        self._before_eraser = "brush"
        self._sized = (0, 0)
        self._connect()
        self._add_keys()
        self.refresh()

    def _connect(self) -> None:
        work, view, bar = self._work, self._view, self._bar
        view.stroke_began.connect(work.stroke_begin)
        view.stroke_moved.connect(work.stroke_move)
        view.stroke_ended.connect(work.stroke_end)
        view.shape_drawn.connect(work.draw_shape)
        view.frame_dragged.connect(work.drag_frame)
        view.frame_settled.connect(work.settle_frame)
        work.mask_dirty.connect(view.mask_dirty)
        for signal in (work.changed, work.mask_changed, work.frame_changed, work.steps_changed):
            signal.connect(self.refresh)
        bar.tool_chosen.connect(self.choose)
        bar.commanded.connect(self._command)
        bar.brush_changed.connect(lambda name, value: work.set_brush(**{name: value}))
        bar.pen_changed.connect(work.set_pen)
        bar.aspect_chosen.connect(work.extend_to)
        bar.extents_typed.connect(self._extend)

    def _add_keys(self) -> None:
        """Letters count while the canvas has the focus; the others everywhere, since text fields keep theirs."""
        letters = {"B": "brush", "E": "eraser", "L": "lasso", "M": "rectangle", "G": "fill", "F": "frame", "V": ""}
        for key, tool in letters.items():
            self._key(key, lambda tool=tool: self.choose(tool), near=True)
        self._key("X", self.swap_eraser, near=True)
        self._key("[", lambda: self._resize_brush(1 / BRUSH_STEP), near=True)
        self._key("]", lambda: self._resize_brush(BRUSH_STEP), near=True)
        self._key("Ctrl+I", lambda: self._command("invert", 0))
        self._key("Ctrl+Z", lambda: self._command("undo", 0))
        self._key("Ctrl+Shift+Z", lambda: self._command("redo", 0))
        self._key("Ctrl+Y", lambda: self._command("redo", 0))

    def _key(self, keys: str, command: object, near: bool = False) -> None:
        shortcut = QShortcut(QKeySequence(keys), self._panel)
        if near:
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        shortcut.activated.connect(command)

    # state

    @property
    def on(self) -> bool:
        """The picture that is worked on lies on the canvas."""
        return self._vm.shown.work and self._work.shown

    def tools(self) -> tuple[str, ...]:
        """Those that the model can do something with."""
        masks = MASK_TOOLS if self._work.can("mask") else ()
        frame = ("frame",) if any(limit.most for limit in self._work.limits()) else ()
        return ("", *masks, *frame)

    def refresh(self) -> None:
        """Show on the canvas and its bar how things stand."""
        work, on = self._work, self.on
        tools = self.tools()
        if self.tool not in tools:
            self.tool = ""
        self._fit_brush()
        tool = self.tool if on else ""
        if self._view.tool != tool:
            self._view.set_tool(tool)
        self._view.set_brush(work.brush.size)
        self._view.set_mask(work.mask_image if on and work.has_mask_image and work.can("mask") else None)
        self._view.set_frame(work.extents if on else outpaint.NONE)
        self._bar.show_state(self._bar_state(tools))
        shown = on
        if self._bar.isHidden() == shown:
            self._bar.setVisible(shown)

    def _bar_state(self, tools: tuple[str, ...]) -> BarState:
        work, brush = self._work, self._work.brush
        undo, redo = work.next_steps()
        limits = work.limits()
        return BarState(
            tools, self.tool, self._words(tools), (brush.size, brush.hardness * 100, brush.opacity * 100),
            (work.pen.size, work.pen.opacity), work.has_mask, work.slow, undo, redo, work.extents,
            tuple((limit.step, limit.most) for limit in limits), outpaint.ASPECTS,
        )  # fmt: skip

    def _words(self, tools: tuple[str, ...]) -> str:
        if self._work.slow:
            return tr("Changing the mask…")
        if self.tool == "fill":
            return tr("Click inside strokes")
        if self.tool in ("lasso", "rectangle"):
            return tr("Hold Alt to take away")
        if "brush" not in tools:
            return self._work.why_not("mask")
        if "frame" not in tools:
            return self._work.why_not("extend_left")
        return ""

    def _fit_brush(self) -> None:
        """A new picture starts with a brush that suits its size."""
        size = self._work.size
        if size != self._sized and size[0]:
            self._sized = size
            suits = float(min(LARGEST_BRUSH, max(8, round(min(size) / 10))))
            if suits != self._work.brush.size:
                self._work.set_brush(size=suits)

    # commands

    def choose(self, tool: str) -> None:
        if not self.on or tool not in self.tools() or self._work.busy:
            return
        if tool == "eraser" and self.tool in ("brush", "lasso", "rectangle", "fill"):
            self._before_eraser = self.tool
        self.tool = tool
        self.refresh()

    def swap_eraser(self) -> None:
        self.choose(self._before_eraser if self.tool == "eraser" else "eraser")

    def back_out(self) -> bool:
        """Put the tool away; False when none was in hand."""
        if not self.on or not self.tool:
            return False
        self.choose("")
        return True

    def _extend(self, extents: outpaint.Extents) -> None:
        self._work.extend(extents)
        self.refresh()

    def _resize_brush(self, factor: float) -> None:
        if self.on and self.tool in ("brush", "eraser"):
            size = self._work.brush.size
            wanted = round(size * factor)
            if wanted == round(size):
                wanted += 1 if factor > 1 else -1
            self._work.set_brush(size=float(max(1, min(LARGEST_BRUSH, wanted))))

    def _command(self, name: str, pixels: int) -> None:
        if not self.on:
            return
        work = self._work
        match name:
            case "undo":
                work.undo()
            case "redo":
                work.redo()
            case "take_out":
                work.take_out()
            case "fill":
                work.fill()
            case "clear":
                work.clear_mask()
            case "load":
                self._load()
            case "save":
                self._save()
            case "invert" | "grow" | "shrink" | "feather" if work.can("mask"):
                work.reshape(name, pixels)

    def _load(self) -> None:
        kinds = " ".join(f"*{suffix}" for suffix in SUFFIXES)
        path, _ = QFileDialog.getOpenFileName(
            self._panel, tr("Choose a mask"), str(Path(self._work.path).parent), f"{tr('Pictures')} ({kinds})"
        )
        if path:
            self._work.load_mask(path)

    def _save(self) -> None:
        start = Path(self._work.path)
        path, _ = QFileDialog.getSaveFileName(
            self._panel, tr("Save the mask"), str(start.with_name(f"{start.stem}-mask.png")), tr("Pictures (*.png)")
        )
        if path:
            self._work.save_mask(path if path.lower().endswith(".png") else f"{path}.png")
