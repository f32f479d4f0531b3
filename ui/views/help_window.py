"""The help window (F1): pages at the left, with a field that searches all of them, and the page at the right."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt, QUrl, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLineEdit, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from ui.i18n import tr
from ui.viewmodels.help import HelpVM
from ui.widgets.controls import Button, IconButton, divider, label, mark, row
from ui.widgets.page_view import PageView

_NAME = Qt.ItemDataRole.UserRole


class HelpWindow(QDialog):
    """Joins ``HelpVM`` to a list and a page. It stands beside the window and never in its way."""

    shortcuts_wanted = Signal()

    def __init__(self, vm: HelpVM, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._vm = vm
        self.setObjectName("help")
        self.setWindowTitle(tr("Help"))
        self.setAccessibleName(tr("Help"))
        self.resize(880, 620)
        self.setMinimumSize(560, 360)
        self._lay_out()
        self._connect()
        self._list_pages()
        self._show_page()

    def _lay_out(self) -> None:
        self.search = QLineEdit()
        self.search.setObjectName("help.search")
        self.search.setAccessibleName(tr("Search the help"))
        self.search.setPlaceholderText(tr("Search the help"))
        self.search.setClearButtonEnabled(True)
        self.list = QListWidget()
        self.list.setObjectName("help.list")
        self.list.setAccessibleName(tr("Pages"))
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setTextElideMode(Qt.TextElideMode.ElideRight)
        mark(self.list, kind="pages")
        self._nothing = label(tr("No page has these words."), "secondary", "soft", wrap=True)
        self._keys = Button(tr("Shortcuts"), "quiet", "keyboard")
        self._keys.setObjectName("help.shortcuts")
        self._keys.setToolTip(tr("All shortcuts  (Shift + F1)"))
        side = QVBoxLayout()
        side.setContentsMargins(14, 14, 14, 12)
        side.setSpacing(8)
        for part in (self.search, self._nothing):
            side.addWidget(part)
        side.addWidget(self.list, 1)
        side.addLayout(row(self._keys, None))
        left = QWidget()
        mark(left, surface="bg")
        left.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        left.setFixedWidth(256)
        left.setLayout(side)
        self.page = PageView("help.page")
        self.page.setAccessibleName(tr("Page"))
        self._back = IconButton("arrow-left", tr("Back"), "help.back")
        self._back.set_face("arrow-left", tr("Back"), "Alt+Left")
        self._close = Button(tr("Close"))
        self._close.setObjectName("help.close")
        right = QVBoxLayout()
        right.setContentsMargins(24, 14, 14, 12)
        right.addLayout(row(self._back, None))
        right.addWidget(self.page, 1)
        right.addLayout(row(None, self._close))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(left)
        layout.addWidget(divider("v"))
        layout.addLayout(right, 1)

    def _connect(self) -> None:
        vm = self._vm
        vm.changed.connect(self._show_page)
        vm.listed.connect(self._list_pages)
        self.search.textChanged.connect(vm.search)
        self.search.installEventFilter(self)
        self.list.currentItemChanged.connect(self._chosen)
        self.page.anchorClicked.connect(self._follow)
        self._back.clicked.connect(vm.back)
        self._close.clicked.connect(self.close)
        self._keys.clicked.connect(self.shortcuts_wanted)

    def open_at(self, name: str) -> None:
        """Show the window with the page ``name``, whatever was searched before."""
        self.search.clear()
        self._vm.show(name)
        self.show()
        self.raise_()
        self.activateWindow()
        self.search.setFocus(Qt.FocusReason.OtherFocusReason)

    # from the view-model

    def _list_pages(self) -> None:
        hits = self._vm.hits()
        shown = self._vm.shown()
        self.list.blockSignals(True)
        self.list.clear()
        for page in hits:
            item = QListWidgetItem(page.title)
            item.setData(_NAME, page.name)
            item.setToolTip(page.title)
            self.list.addItem(item)
            if page == shown:
                self.list.setCurrentItem(item)
        self.list.blockSignals(False)
        self._nothing.setVisible(not hits)
        self._show_text()

    def _show_page(self) -> None:
        self._list_pages()
        self._back.setEnabled(self._vm.can_go_back)

    def _show_text(self) -> None:
        page = self._vm.shown()
        if page is not None:
            self.page.show_page(page.text, tuple(self._vm.query.casefold().split()))
            self.page.setAccessibleDescription(page.title)

    # from the user

    def _chosen(self, item: QListWidgetItem | None) -> None:
        if item is not None:
            self._vm.show(str(item.data(_NAME)))

    def _follow(self, url: QUrl) -> None:
        self.search.clear()
        self._vm.follow(url.toString())

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Up and Down choose a page without leaving the search field."""
        if watched is self.search and isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            step = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1}.get(Qt.Key(event.key()), 0)
            if step:
                self.list.setCurrentRow(max(0, min(self.list.currentRow() + step, self.list.count() - 1)))
                return True
        return super().eventFilter(watched, event)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        back = event.key() == Qt.Key.Key_Left and event.modifiers() & Qt.KeyboardModifier.AltModifier
        if back:
            self._vm.back()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.page.setFocus(Qt.FocusReason.OtherFocusReason)
        else:
            super().keyPressEvent(event)
