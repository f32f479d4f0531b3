"""The Models page: browse and storage as two segments, the details beside them, and a place to drop files on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QEvent, Qt, QUrl
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFileDialog, QFrame, QHBoxLayout, QMenu, QPushButton, QStackedWidget, QVBoxLayout, QWidget

from ui.i18n import tr
from ui.theme.icons import icon
from ui.viewmodels.asks import Ask
from ui.viewmodels.cards import REPO
from ui.viewmodels.models import ModelsVM
from ui.views.catalog_panel import CatalogPanel
from ui.views.details_panel import WIDTH, DetailsPanel
from ui.views.import_dialog import ImportDialog
from ui.views.models_dialogs import open_dialog
from ui.views.storage_panel import StoragePanel
from ui.widgets.controls import Button, IconLabel, divider, label, mark, row
from ui.widgets.drop_zones import DropHere
from ui.widgets.floating import Toast

LEAST_DETAILS, TWO_COLUMNS, SMALL = 326, 628, 700
LEAST_LIST = 480
"""Below this width the cards give way to the details while those are open."""
FILES = "*.safetensors *.gguf *.ckpt *.pt *.pth *.bin *.sft"


class ModelsPage(QWidget):
    """Joins ``ModelsVM`` to its panels and dialogs."""

    def __init__(self, vm: ModelsVM, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._vm = vm
        self.setObjectName("models.page")
        mark(self, surface="bg")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.motion = True
        self.catalog = CatalogPanel(vm)
        self.storage = StoragePanel(vm)
        self.details = DetailsPanel(vm)
        self._line = divider("v")
        self._banner = QFrame()
        self._segments: dict[str, QPushButton] = {}
        self._stack = QStackedWidget()
        self._add = Button(tr("Add from disk…"), "", "folder-plus")
        words = tr("Checkpoints, LoRAs, VAEs, upscalers, folders")
        self.drop = DropHere("models.drop", tr("Drop models here"), words, self)
        self.toast = Toast(self)
        self.toast.setObjectName("models.notice")
        self._lay_out()
        self._connect()
        self._offline_changed()
        self._choice_changed()

    def _lay_out(self) -> None:
        self._add.setObjectName("models.add")
        self._add.setAccessibleName(tr("Add from disk"))
        self._add.setToolTip(tr("Add files or a folder from this computer"))
        menu = QMenu(self._add)
        menu.setObjectName("models.add.menu")
        menu.addAction(icon("file-box"), tr("Files…")).triggered.connect(self._ask_for_files)
        menu.addAction(icon("folder-open"), tr("A folder…")).triggered.connect(self._ask_for_folder)
        self._add.clicked.connect(lambda: menu.popup(self._add.mapToGlobal(self._add.rect().bottomLeft())))
        head = row(spacing=12)
        head.setContentsMargins(24, 16, 24, 10)
        head.addLayout(self._make_segments())
        head.addWidget(self.catalog.search, 1)
        self._filler = QWidget()
        self._filler.hide()
        head.addWidget(self._filler, 1)
        head.addWidget(self._add)
        self._stack.addWidget(self.catalog)
        self._stack.addWidget(self.storage)
        left = QWidget()
        inner = QVBoxLayout(left)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(0)
        inner.addLayout(head)
        inner.addWidget(self._make_banner())
        inner.addWidget(self._stack, 1)
        self._left = left
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(left, 1)
        layout.addWidget(self._line)
        layout.addWidget(self.details)

    def _make_segments(self) -> QHBoxLayout:
        line = row(spacing=2)
        for name, words, icon_name in (
            ("browse", tr("Browse"), "boxes"),
            ("storage", tr("Storage"), "hard-drive"),
        ):
            button = QPushButton(f" {words}")
            button.setIcon(icon(icon_name, "soft", "accent"))
            button.setObjectName(f"models.segment.{name}")
            button.setAccessibleName(words)
            button.setCheckable(True)
            button.setAutoExclusive(True)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.setCursor(Qt.CursorShape.PointingHandCursor)
            mark(button, kind="segment")
            button.clicked.connect(lambda _=False, name=name: self.show_segment(name))
            self._segments[name] = button
            line.addWidget(button)
        self._segments["browse"].setChecked(True)
        self._segments["storage"].setToolTip(tr("What is on this computer"))
        return line

    def _make_banner(self) -> QFrame:
        self._banner.setObjectName("models.offline")
        mark(self._banner, surface="note")
        online = Button(tr("Go online"), "quiet")
        online.setObjectName("models.offline.go")
        online.clicked.connect(self._vm.go_online)
        words = label(tr("Offline: what is on this computer works."), "secondary")
        line = row(IconLabel("wifi-off", "soft", 16), words, online, None, spacing=10)
        line.setContentsMargins(12, 2, 6, 2)
        self._banner.setLayout(line)
        holder = QFrame()
        around = QVBoxLayout(holder)
        around.setContentsMargins(24, 0, 24, 8)
        around.addWidget(self._banner)
        self._banner_holder = holder
        return holder

    def _connect(self) -> None:
        vm = self._vm
        self.catalog.opened.connect(vm.choose)
        self.details.closed.connect(self.close_details)
        vm.details_changed.connect(self._choice_changed)
        vm.actions_changed.connect(self._choice_changed)
        vm.asked.connect(self._ask)
        vm.noticed.connect(self.say)
        vm.account.changed.connect(self._offline_changed)
        vm.catalog.changed.connect(lambda: self.catalog.show_chosen(vm.chosen))

    # segments and panels

    @property
    def segment(self) -> str:
        return "browse" if self._stack.currentIndex() == 0 else "storage"

    def show_segment(self, name: str) -> None:
        self._segments[name].setChecked(True)
        self._stack.setCurrentIndex(0 if name == "browse" else 1)
        self.catalog.search.setVisible(name == "browse")
        self._filler.setVisible(name != "browse")
        if name == "storage":
            self._vm.storage.open()
            self.storage.list.setFocus(Qt.FocusReason.OtherFocusReason)
        self._show_panels()

    def opened(self) -> None:
        """The page comes to the front."""
        self._vm.account.look()
        self._vm.look_again()
        self.catalog.board.setFocus(Qt.FocusReason.OtherFocusReason)
        if self.segment == "storage":
            self._vm.storage.open()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.ActivationChange and self.isActiveWindow() and self.isVisible():
            self._vm.look_again()

    def search(self) -> None:
        self.show_segment("browse")
        self.catalog.search.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.catalog.search.selectAll()

    def back_out(self) -> bool:
        """Esc: close the details, then empty the search; False when there is nothing to leave."""
        if self.segment == "storage":
            self.show_segment("browse")
            return True
        if self._vm.chosen:
            self.close_details()
            return True
        return self._vm.catalog.clear()

    def close_details(self) -> None:
        self._vm.choose("")
        self.catalog.board.clearSelection()
        self.catalog.board.setFocus(Qt.FocusReason.OtherFocusReason)

    def _choice_changed(self) -> None:
        self.catalog.show_chosen(self._vm.chosen)
        self._show_panels()

    def _show_panels(self) -> None:
        open_ = bool(self._vm.chosen) and self.segment == "browse"
        narrow = self.width() - LEAST_DETAILS < LEAST_LIST
        self.details.setVisible(open_)
        self._line.setVisible(open_ and not narrow)
        self._left.setVisible(not (open_ and narrow))
        if narrow:
            self.details.setMinimumWidth(0)
            self.details.setMaximumWidth(16777215)
        else:
            self.details.setFixedWidth(min(WIDTH, max(LEAST_DETAILS, self.width() - TWO_COLUMNS)))
        small = self.width() - (self.details.width() if open_ else 0) < SMALL
        self._add.setText("" if small else f" {tr('Add from disk…')}")

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        self._show_panels()
        self.drop.setGeometry(self.rect().adjusted(16, 16, -16, -16))
        self._place_toast()

    def _offline_changed(self) -> None:
        self._banner_holder.setVisible(self._vm.offline)

    # dialogs and notices

    def _ask(self, ask: Ask) -> None:
        open_dialog(ask, self._vm.account, self.window())

    def sign_in(self, ask: Ask) -> None:
        self._ask(ask)

    def say(self, text: str) -> None:
        self.toast.say(text, self.motion, self.width() - 48)
        self._place_toast()

    def _place_toast(self) -> None:
        self.toast.adjustSize()
        self.toast.move((self.width() - self.toast.width()) // 2, self.height() - self.toast.height() - 20)
        self.toast.raise_()

    # adding from disk

    def light(self, on: bool) -> None:
        """Show that files dragged over the window can be dropped."""
        self.drop.setVisible(on)
        self.drop.raise_()

    def take(self, urls: Sequence[QUrl]) -> bool:
        """Begin to add what was dropped; False when nothing of it is on this disk."""
        paths = [url.toLocalFile() for url in urls if url.isLocalFile()]
        links = [url.toString() for url in urls if url.scheme() in ("http", "https")]
        if paths:
            self._import(paths)
        elif links:
            self.show_segment("browse")
            self._vm.catalog.set_query(links[0])
            spec = self._vm.catalog.link()
            if spec is not None:
                self._vm.choose(f"{REPO}{spec.repo}")
        return bool(paths or links)

    def _import(self, paths: Sequence[str]) -> None:
        self._vm.imports.take(paths)
        ImportDialog(self._vm.imports, self.window()).open()

    def _ask_for_files(self) -> None:
        files, _ = QFileDialog.getOpenFileNames(
            self, tr("Choose model files"), str(Path.home()), f"{tr('Models')} ({FILES});;{tr('All files')} (*)"
        )
        if files:
            self._import(files)

    def _ask_for_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, tr("Choose a folder with models"))
        if folder:
            self._import([folder])
