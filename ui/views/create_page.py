"""The Create page: form, canvas and side panel beside each other, with panels that fold when there is no room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QSplitter, QWidget

from ui.i18n import tr
from ui.theme import tokens
from ui.viewmodels.workspace import Workspace
from ui.views.canvas_panel import CanvasPanel
from ui.views.control_work import ControlWork
from ui.views.form_panel import FormPanel
from ui.views.paint_overlay import PaintOverlay
from ui.views.prompt_tools import PromptTools
from ui.views.side_panel import SidePanel
from ui.views.tiled_panel import TiledPanel
from ui.views.tool_dialog import DescribedDialog, ToolDialog
from ui.widgets.drop_zones import DropHere

SIDE_FROM = 1120
"""Below this width the side panel folds by itself; asking for it brings it back all the same."""


class CreatePage(QWidget):
    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self.form = FormPanel(workspace.create, workspace.thumbs, workspace.fast)
        self.prompts = PromptTools(workspace.prompts, workspace.create, self.form.form, self)
        self.prompts.attach()
        self.form.rebuilt.connect(self.prompts.attach)
        self.canvas = CanvasPanel(workspace.canvas, workspace.compare, workspace.drop, workspace.thumbs)
        self.control = ControlWork(workspace.maps, PaintOverlay(self.canvas), self.form.form.services)
        self.canvas.add_tiled(TiledPanel(workspace.texture))
        self.side = SidePanel(workspace.queue, workspace.held, workspace.recent)
        self._splitter = QSplitter(Qt.Orientation.Horizontal)
        self._splitter.setHandleWidth(1)
        self._splitter.setChildrenCollapsible(False)
        for panel in (self.form, self.canvas, self.side):
            self._splitter.addWidget(panel)
        self._splitter.setStretchFactor(0, 0)
        self._splitter.setStretchFactor(1, 1)
        self._splitter.setStretchFactor(2, 0)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._splitter)
        self._side_wanted: bool = bool(workspace.state.get("side", True))
        self._form_wanted: bool = bool(workspace.state.get("form", True))
        self._narrow: bool | None = None
        self._restore_sizes(workspace.state.get("panels"))
        self.drop = DropHere(
            "create.drop",
            tr("Drop to add and use it"),
            tr("A LoRA or another add-on joins the form, a model is chosen"),
            self,
        )
        self._connect()
        self._models_changed()
        self._mark_shown()
        self._show_panels()

    def _connect(self) -> None:
        vm = self._workspace.canvas
        self.side.job_shown.connect(vm.show_job)
        self.canvas.tools = self._workspace.tools
        self.canvas.tool_wanted.connect(self.open_tool)
        self._workspace.tools.described.connect(lambda said: DescribedDialog(self._workspace.tools, said, self).show())
        self.side.result_shown.connect(self._show_result)
        for signal in (self.side.job_shown, self.side.result_shown):
            signal.connect(lambda _: self.control.overlay.finish())
        self.side.picture_menu_wanted.connect(self._picture_menu)
        self.canvas.side_toggle.clicked.connect(self.toggle_side)
        self.canvas.empty.tried.connect(self._try)
        self.canvas.empty.choose.connect(self.form.open_picker)
        self._workspace.taken.ready.connect(self.form.take_addon)
        vm.picture_changed.connect(self._mark_shown)
        self._workspace.compare.changed.connect(self._mark_shown)
        self._workspace.create.schema_changed.connect(self._models_changed)
        self._workspace.create.models_changed.connect(self._models_changed)

    def _models_changed(self) -> None:
        ready = self._workspace.create.problem() is None
        self.canvas.empty.show_ready(ready)
        self.canvas.empty.show_examples(self._workspace.create.examples() if ready else ())

    def _try(self, prompt: str) -> None:
        self._workspace.create.set_values({"prompt": prompt})
        self.form.go()

    def _show_result(self, result: str) -> None:
        """While two pictures are compared, another one takes the right side."""
        compare = self._workspace.compare
        if compare.active:
            compare.choose(result)
        else:
            self._workspace.canvas.show_result(result)

    def open_tool(self, kind: str, result: str) -> ToolDialog | None:
        """Ask what the tool ``kind`` needs to know for the picture ``result``."""
        found = self._workspace.core.library.get(result)
        if found is None:
            return None
        dialog = ToolDialog(self._workspace.tools, kind, found, self.form.form.services, self)
        dialog.get_wanted.connect(self.form.details_wanted)
        dialog.browse_wanted.connect(self.form.browse_wanted)
        dialog.form.help_wanted.connect(self.form.form.help_wanted)
        dialog.show()
        return dialog

    def _picture_menu(self, result: str, at: QPoint) -> None:
        self.canvas.picture_menu(result).exec(at)

    def _mark_shown(self) -> None:
        shown, compare = self._workspace.canvas.shown, self._workspace.compare
        right = compare.right if compare.active else None
        self.side.mark_shown(right.result if right is not None else shown.result, shown.job)

    # weights from the disk

    def light(self, on: bool) -> None:
        """Show that the files that are dragged over the window can be dropped."""
        self.drop.setGeometry(self.rect().adjusted(16, 16, -16, -16))
        self.drop.setVisible(on)
        self.drop.raise_()

    def take_weights(self, paths: Sequence[str]) -> None:
        """Ask what is to be done with these files and folders; what is added goes into the form."""
        from ui.views.import_dialog import ImportDialog

        imports = self._workspace.models.imports
        imports.take(paths, use=True)
        ImportDialog(imports, self.window()).open()

    # panels

    def toggle_side(self) -> None:
        self._side_wanted = self.side.isHidden()
        self._show_panels(asked=True)

    def toggle_form(self) -> None:
        self._form_wanted = self.form.isHidden()
        focus = self.window().focusWidget()
        if not self._form_wanted and focus is not None and self.form.isAncestorOf(focus):
            self.canvas.view.setFocus(Qt.FocusReason.OtherFocusReason)
        self._show_panels(asked=True)

    def _show_panels(self, asked: bool = False) -> None:
        narrow = self.width() < SIDE_FROM - tokens.RAIL_WIDTH
        if not asked and narrow == self._narrow:
            return
        turned = narrow != self._narrow
        self._narrow = narrow
        self.form.setVisible(self._form_wanted)
        self.side.setVisible(self._side_wanted and (asked or not narrow or not turned))
        self.canvas.side_toggle.setChecked(not self.side.isHidden())

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        self._show_panels()

    def _restore_sizes(self, sizes: Any) -> None:
        usable = (
            isinstance(sizes, list) and len(sizes) == 2 and all(isinstance(size, int) and size > 0 for size in sizes)
        )
        left, right = sizes if usable else (tokens.FORM_WIDTH, tokens.SIDE_WIDTH)
        self._splitter.setSizes([left, 4000, right])

    def remember(self) -> None:
        """Note the panels' widths for the next start."""
        sizes = self._splitter.sizes()
        old = self._workspace.state.get("panels") or [tokens.FORM_WIDTH, tokens.SIDE_WIDTH]
        kept = [sizes[0] or old[0], sizes[2] or old[1]]
        self._workspace.state.set("panels", kept)
        self._workspace.state.set("side", self._side_wanted)
        self._workspace.state.set("form", self._form_wanted)
