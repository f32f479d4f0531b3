"""The middle of Create: title and tools, the picture, and what floats over it."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QMimeData, QPoint, Qt, QUrl, Signal
from PySide6.QtGui import QGuiApplication, QImage, QKeySequence, QResizeEvent, QShortcut
from PySide6.QtWidgets import QFileDialog, QLabel, QMenu, QStackedLayout, QVBoxLayout, QWidget

from ui.i18n import tr
from ui.theme import tokens
from ui.theme.icons import icon
from ui.theme.tokens import CANVAS_COLORS
from ui.viewmodels.canvas import CanvasVM
from ui.viewmodels.comparing import CompareVM
from ui.viewmodels.dropped import DropVM
from ui.viewmodels.pictures import read_picture
from ui.viewmodels.recent import Thumbs
from ui.viewmodels.tools import ToolsVM
from ui.views.canvas_work import CanvasWork
from ui.views.empty_state import EmptyState
from ui.views.tiled_panel import TiledPanel
from ui.widgets.canvas_bar import CanvasBar
from ui.widgets.canvas_view import CanvasView
from ui.widgets.compare_view import CompareView
from ui.widgets.controls import Button, ElidedLabel, IconButton, IconLabel, column, label, mark, row, tabular
from ui.widgets.drop_zones import DropZones
from ui.widgets.floating import ErrorCard, ProgressBar, Toast
from ui.widgets.picture_field import SUFFIXES, picture_file
from ui.widgets.review_bar import ReviewBar
from ui.widgets.thumb_grid import Strip

NARROW = 520


class CanvasPanel(QWidget):
    """Joins ``CanvasVM`` to the picture and its surroundings. ``tool_wanted`` carries a tool's kind and a result."""

    tool_wanted = Signal(str, str)
    tools: ToolsVM | None = None

    def __init__(
        self, vm: CanvasVM, compare: CompareVM, drop: DropVM, thumbs: Thumbs, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._vm, self._compare, self._drop = vm, compare, drop
        self.motion = True
        self._narrow = False
        mark(self, surface="canvas")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setMinimumWidth(360)
        self.view = CanvasView()
        self.compare = CompareView()
        self.empty = EmptyState()
        self.strip = Strip(thumbs.get)
        self.progress = ProgressBar(self)
        self.error = ErrorCard(self)
        self.toast = Toast(self)
        self.bar = CanvasBar(self)
        self.bar.hide()
        self.review = ReviewBar(self)
        self.review.hide()
        self.drop = DropZones(self)
        self._lay_out()
        self._connect(thumbs)
        self.work = CanvasWork(vm, self.view, self.bar, self)
        self._connect_more()
        self._picture_changed()
        self._info_changed()
        self._progress_changed()
        self._error_changed()

    def _lay_out(self) -> None:
        self.title = ElidedLabel("", "heading")
        self.title.setObjectName("create.title")
        self.subtitle = ElidedLabel("", "secondary", "soft")
        self.subtitle.setFont(tabular(self.subtitle.font()))
        words = QVBoxLayout()
        words.setContentsMargins(0, 0, 0, 0)
        words.setSpacing(2)
        words.addWidget(self.title)
        words.addWidget(self.subtitle)
        head = row(spacing=6)
        head.setContentsMargins(tokens.CANVAS_EDGE, 16, 16, 8)
        head.addLayout(words, 1)
        head.addWidget(self._make_tools())
        self._head = QWidget()
        self._head.setLayout(head)
        self._head.setFixedHeight(64)
        self._missing, self._missing_words = _missing_page()
        self._stack = QStackedLayout()
        for page in (self.view, self.empty, self._missing, self.compare):
            self._stack.addWidget(page)
        middle = QVBoxLayout()
        middle.setContentsMargins(tokens.CANVAS_EDGE, 0, tokens.CANVAS_EDGE, 0)
        middle.addLayout(self._stack, 1)
        self._foot = QWidget()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(self._head)
        layout.addLayout(middle, 1)
        strip = row(self.strip)
        strip.setContentsMargins(tokens.CANVAS_EDGE, 0, tokens.CANVAS_EDGE, 0)
        layout.addLayout(strip)
        layout.addWidget(self._foot)

    def _make_tools(self) -> QWidget:
        self._fit = Button(tr("Fit"), "quiet")
        self._fit.setToolTip(tr("Fit into the window  (0)"))
        self._full = Button(tr("100 %"), "quiet")
        self._full.setToolTip(tr("Actual size  (1)"))
        self._full.setFont(tabular(self._full.font()))
        self._fit.setObjectName("create.fit")
        self._full.setObjectName("create.zoom")
        self._full.setMinimumWidth(58)
        self._rework = IconButton("image-plus", tr("Use as input: work on this picture"), "canvas.use")
        self._vary = IconButton("shuffle", tr("Vary: make neighbours of this picture"), "canvas.vary")
        self._vary.setMenu(self._vary_menu())
        self._vary.setPopupMode(IconButton.ToolButtonPopupMode.InstantPopup)
        mark(self._vary, kind="menu")
        self._tile = IconButton("grid-2x2", tr("Show tiled"), "canvas.tiled")
        self._tile.set_face("grid-2x2", tr("Show tiled"), "T")
        self._tile.setCheckable(True)
        self._contrast = IconButton("square-split-horizontal", tr("Compare"), "canvas.compare.start")
        self._use = IconButton("history", tr("Use these settings"), "create.use")
        self._copy = IconButton("copy", tr("Copy picture"), "create.copy")
        self._copy.set_face("copy", tr("Copy picture"), "Ctrl+C")
        self._save = IconButton("download", tr("Save a copy as…"), "create.save")
        self._folder = IconButton("folder-open", tr("Open folder"), "create.folder")
        self.side_toggle = IconButton("panel-right", tr("Queue and recent pictures"), "create.side")
        self.side_toggle.set_face("panel-right", tr("Show or hide queue and recent pictures"), "F9")
        self._tools = [self._rework, self._vary, self._tile, self._contrast]
        self._tools += [self._use, self._copy, self._save, self._folder]
        box = QWidget()
        box.setLayout(row(self._fit, self._full, 6, *self._tools, 6, self.side_toggle, spacing=2))
        return box

    def _connect(self, thumbs: Thumbs) -> None:
        vm = self._vm
        vm.picture_changed.connect(self._picture_changed)
        vm.info_changed.connect(self._info_changed)
        vm.progress_changed.connect(self._progress_changed)
        vm.error_changed.connect(self._error_changed)
        vm.noticed.connect(self.say)
        thumbs.arrived.connect(lambda _: self.strip.refresh())
        self.view.zoomed.connect(self._zoomed)
        self.view.stepped.connect(vm.step_picture)
        self.view.menu_wanted.connect(self._menu)
        self.view.drag_wanted.connect(lambda: self.view.drag_file(vm.path_of()) if vm.path_of() else None)
        self.strip.chosen.connect(vm.show_number)
        self.progress.cancel_wanted.connect(vm.cancel)
        self.error.acted.connect(self._act)
        self.error.dismissed.connect(vm.dismiss_error)
        self.error.resized.connect(self._place)
        self._fit.clicked.connect(self.view.fit)
        self._full.clicked.connect(self.view.actual_size)
        self._use.clicked.connect(lambda: vm.use_settings())
        self._copy.clicked.connect(lambda: self.copy())
        self._save.clicked.connect(lambda: self.save_as())
        self._folder.clicked.connect(lambda: vm.open_folder())

    def _vary_menu(self) -> QMenu:
        menu = QMenu(self)
        menu.addAction(tr("A little")).triggered.connect(lambda: self._vm.vary(False))
        menu.addAction(tr("A lot")).triggered.connect(lambda: self._vm.vary(True))
        return menu

    def _connect_more(self) -> None:
        """What has to do with working on a picture and comparing."""
        vm, compare = self._vm, self._compare
        self._rework.clicked.connect(lambda: vm.use_as_input())
        self._contrast.clicked.connect(lambda: self.start_compare())
        self.review.accepted.connect(lambda: vm.use_as_input())
        self.review.discarded.connect(vm.show_work)
        self.review.compare_wanted.connect(lambda: self.start_compare())
        self.compare.ended.connect(compare.end)
        self.compare.beside_chosen.connect(compare.set_beside)
        self.compare.exchange_wanted.connect(compare.exchange)
        compare.changed.connect(self._compare_changed)
        compare.pictures_changed.connect(self._compare_pictures)
        self._drop.changed.connect(lambda: self.drop.show_offers(self._drop.offers()))
        self._drop.noticed.connect(self.say)

    # from the view-model

    def set_background(self, choice: str) -> None:
        self.view.set_background(CANVAS_COLORS.get(choice, ""))
        self.compare.set_background(CANVAS_COLORS.get(choice, ""))

    _tiled: TiledPanel | None = None

    def add_tiled(self, panel: TiledPanel) -> None:
        """Where finished pictures are shown laid beside themselves (T)."""
        self._tiled = panel
        self._stack.addWidget(panel)
        self._tile.toggled.connect(self._tile_toggled)
        key = QShortcut(QKeySequence("T"), self, context=Qt.ShortcutContext.WidgetWithChildrenShortcut)
        key.activated.connect(self._tile.toggle)
        self._info_changed()

    def _tile_toggled(self, on: bool) -> None:
        self._picture_changed()
        view = self._tiled.view if on and self._tiled is not None else self.view
        view.setFocus(Qt.FocusReason.OtherFocusReason)

    def start_compare(self, other: str = "") -> None:
        """The shown result with what it was made from, or with the result ``other``."""
        shown = self._vm.shown.result
        done = self._compare.with_other(shown, other) if other and shown else self._compare.start(shown)
        if not done:
            self.say(tr("There is no other picture to compare with yet."))

    def _compare_changed(self) -> None:
        left, right = self._compare.left, self._compare.right
        self.compare.restart()
        if left is not None and right is not None:
            self.compare.show_names(left.title, right.title, self._compare.beside)
            self.compare.show_differences(self._compare.differences(), bool(left.inputs and right.inputs))
            self._compare_pictures()
        self._picture_changed()
        self._place()

    def _compare_pictures(self) -> None:
        left, right = self._compare.left, self._compare.right
        if left is not None and right is not None:
            pictures = self._compare.picture(left), self._compare.picture(right)
            self.compare.show_pictures(*pictures, self._compare.place())

    def back_out(self) -> bool:
        """Esc: end comparing, or put the tool away; False when there was neither."""
        return self._compare.end() or self.work.back_out()

    def _picture_changed(self) -> None:
        picture = self._vm.picture()
        if self._compare.active:
            self._stack.setCurrentWidget(self.compare)
        elif picture is None:
            self.view.clear()
            self._stack.setCurrentWidget(self.empty if self._vm.is_empty() else self.view)
        elif picture.missing:
            path = self._vm.path_of()
            self._missing_words.setText(tr("The file of this picture is gone:\n{path}", path=path))
            self._stack.setCurrentWidget(self._missing)
        elif self._tiled is not None and self._tile.isChecked() and self._vm.result() and picture.image is not None:
            self._stack.setCurrentWidget(self._tiled)
            self._tiled.show_result(self._vm.shown.result, picture.image)
        else:
            self._stack.setCurrentWidget(self.view)
            self.view.show_picture(picture.image, picture.width, picture.height, picture.preview, picture.levels)
        if hasattr(self, "work"):
            self.work.refresh()
        self._info_changed()
        self._place()

    def _info_changed(self) -> None:
        title = self._vm.title()
        self.title.set_full(title)
        self.subtitle.set_full(self._vm.subtitle())
        picture = self._vm.picture()
        for part in (self._fit, self._full):
            part.setVisible(picture is not None and not picture.missing and not (self._narrow and part is self._fit))
        comparing = self._compare.active
        for part in (self._fit, self._full):
            part.setHidden(part.isHidden() or comparing)
        done = self._vm.result() is not None and not comparing
        usable = done and picture is not None and not picture.missing
        self._use.setVisible(done)
        for button in (self._copy, self._save, self._folder):
            # Where the title would have no room left, these are in the picture's own menu.
            button.setVisible(usable and (not self._narrow or button is self._save))
        self._rework.setVisible(usable and self._vm.work.can("image") and not self._vm.from_work())
        self._vary.setVisible(usable and self._vm.can_vary())
        self._tile.setVisible(usable and self._tiled is not None and not self._narrow)
        self._contrast.setVisible(usable and not self._narrow and not self._vm.from_work())
        self._show_review(usable)
        self.strip.show_entries(list(self._vm.strip()))
        words = tr("Picture: {title}", title=title[:200]) if title else tr("Picture")
        self.view.setAccessibleDescription(words)

    def _show_review(self, usable: bool) -> None:
        work = self._vm.work
        shown = usable and work.shown
        if shown:
            self.review.show_state(self._vm.from_work(), self._vm.work_name())
        if self.review.isHidden() == shown:
            self.review.setVisible(shown)
            self._place()

    def _zoomed(self, zoom: float, fit: bool) -> None:
        self._full.setText(tr("{n} %", n=round(zoom * 100)))
        self._full.setAccessibleName(tr("Zoom {n} percent; press for actual size", n=round(zoom * 100)))

    def _progress_changed(self) -> None:
        view = self._vm.progress()
        if view is not None:
            self.progress.show_progress(view, self.motion)
        if self.progress.isHidden() != (view is None):
            self.progress.setVisible(view is not None)
            self._place()

    def _error_changed(self) -> None:
        view = self._vm.error()
        self.error.setVisible(view is not None)
        if view is not None and view != self._shown_error():
            self._error_view = view
            self.error.show_problem(view)
        elif view is None:
            self._error_view = None
        self._place()

    _error_view: object = None

    def _shown_error(self) -> object:
        return self._error_view

    def _act(self) -> None:
        view = self._vm.error()
        if view is not None:
            self._vm.act(view)

    def say(self, text: str) -> None:
        self.toast.say(text, self.motion, self.width() - 2 * tokens.CANVAS_EDGE)
        self._place()

    # a picture that is dragged over the window

    def begin_drop(self, path: str) -> None:
        self._drop.begin(path)
        self.drop.show()
        self.drop.raise_()

    def hover_drop(self, at: QPoint) -> None:
        self.drop.hover(self.drop.mapFromGlobal(at))

    def end_drop(self) -> None:
        self.drop.hover(None)
        self.drop.hide()

    def take_drop(self, path: str, at: QPoint) -> None:
        """Dropped on one of the fields, or anywhere else: then the first thing that can be done."""
        if path != self._drop.path:
            self._drop.begin(path)
        self._drop.take(self.drop.name_at(self.drop.mapFromGlobal(at)))

    # places of what floats

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        if (self.width() < NARROW) != self._narrow:
            self._narrow = not self._narrow
            self._info_changed()
        self._place()

    def _place(self) -> None:
        """Progress and error stand at the foot, a column; the picture gives them room."""
        width = min(self.width() - 2 * tokens.CANVAS_EDGE, 720)
        left = (self.width() - width) // 2
        bottom = self.height() - 20
        alone = self.error.isVisibleTo(self) and not self.progress.isVisibleTo(self) and self._vm.picture() is None
        if alone and not self._vm.is_empty():
            bottom = (self.height() + self.error.height()) // 2
        top = bottom
        for part in (self.progress, self.error, self.bar, self.review):
            if part.isVisibleTo(self):
                layout = part.layout()
                assert layout is not None
                layout.activate()
                tall = layout.totalHeightForWidth(width) if layout.hasHeightForWidth() else part.sizeHint().height()
                part.setFixedSize(width, tall)
                top -= tall
                part.move(left, top)
                part.raise_()
                top -= 10
        used = self.height() - top
        self._foot.setFixedHeight(max(tokens.CANVAS_EDGE - 8, min(used - 8, self.height() // 2) if used > 30 else 0))
        self.drop.setGeometry(self.rect())
        self.drop.raise_()
        self.toast.adjustSize()
        self.toast.move((self.width() - self.toast.width()) // 2, self._head.height() + 8)
        self.toast.raise_()

    # what can be done with a picture

    def copy(self, result: str = "") -> None:
        path = self._vm.path_of(result)
        image = read_picture(path) if path else QImage()
        if image.isNull():
            return
        data = QMimeData()
        data.setImageData(image)
        data.setUrls([QUrl.fromLocalFile(path)])
        QGuiApplication.clipboard().setMimeData(data)
        self.say(tr("Picture copied."))

    def open(self) -> None:
        """Choose a file to work on."""
        work = self._vm.work
        if not work.can("image"):
            self.say(work.why_not("image"))
            return
        kinds = " ".join(f"*{suffix}" for suffix in SUFFIXES)
        path, _ = QFileDialog.getOpenFileName(
            self, tr("Choose a picture"), work.path, f"{tr('Pictures')} ({kinds});;{tr('All files')} (*)"
        )
        if path:
            work.take(path)

    def paste(self) -> None:
        """Work on the picture on the clipboard, or on the file of one."""
        data = QGuiApplication.clipboard().mimeData()
        path = picture_file(data.urls()) if data is not None else ""
        if path:
            self._vm.work.take(path)
        elif data is not None and data.hasImage():
            self._vm.work.take_image(QGuiApplication.clipboard().image())

    def save_as(self, result: str = "") -> None:
        path = self._vm.path_of(result)
        if not path:
            return
        target, _ = QFileDialog.getSaveFileName(
            self, tr("Save a copy as"), str(Path.home() / Path(path).name), tr("Pictures (*.png)")
        )
        if target:
            self._vm.save_copy(target, result)

    def _menu(self, at: QPoint) -> None:
        if self._vm.result() is not None:
            self.picture_menu(self._vm.shown.result).exec(at)

    def picture_menu(self, result: str) -> QMenu:
        """What can be done with picture ``result``, here and in the list of recent ones."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        work = self._vm.work
        if work.can("image"):
            menu.addAction(icon("image-plus"), tr("Use as input")).triggered.connect(
                lambda: self._vm.use_as_input(result)
            )
        free = self._drop.free_reference()
        if free:
            menu.addAction(icon("images"), tr("Use as reference")).triggered.connect(
                lambda: self._drop.use_as_reference(self._vm.path_of(result))
            )
        if self._vm.can_vary(result):
            vary = menu.addMenu(icon("shuffle"), tr("Vary"))
            vary.addAction(tr("A little")).triggered.connect(lambda: self._vm.vary(False, result))
            vary.addAction(tr("A lot")).triggered.connect(lambda: self._vm.vary(True, result))
        shown = self._vm.shown.result
        if shown and shown != result:
            menu.addAction(icon("columns-2"), tr("Compare with the picture shown")).triggered.connect(
                lambda: self.start_compare(result)
            )
        if self.tools is not None:
            menu.addSeparator()
            for tool in self.tools.actions():
                menu.addAction(icon(tool.icon), tool.words).triggered.connect(
                    lambda _=False, kind=tool.kind: self.tool_wanted.emit(kind, result)
                )
        menu.addSeparator()
        words = tr("Use these settings, words as they came out")
        came_out = ("type", words, lambda: self._vm.use_settings(result, True))
        entries = (
            ("history", tr("Use these settings"), lambda: self._vm.use_settings(result)),
            *((came_out,) if self._vm.has_template(result) else ()),
            ("copy", tr("Copy picture"), lambda: self.copy(result)),
            ("download", tr("Save a copy as…"), lambda: self.save_as(result)),
            ("folder-open", tr("Open folder"), lambda: self._vm.open_folder(result)),
        )
        for icon_name, words, command in entries:
            menu.addAction(icon(icon_name), words).triggered.connect(command)
        return menu


def _missing_page() -> tuple[QWidget, QLabel]:
    """What stands for a picture whose file is gone, and the label for the words."""
    words = label("", "", "soft", wrap=True)
    words.setAlignment(Qt.AlignmentFlag.AlignCenter)
    layout = column(None, spacing=12)
    layout.addWidget(IconLabel("image-off", "soft", 32), 0, Qt.AlignmentFlag.AlignHCenter)
    layout.addWidget(words)
    layout.addStretch(1)
    page = QWidget()
    page.setLayout(layout)
    return page, words
