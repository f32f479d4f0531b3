"""Browsing: search, filters, the cards, and what stands there when there are none."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QPushButton, QScrollArea, QSizePolicy, QStackedWidget, QVBoxLayout, QWidget

from ui.i18n import tr
from ui.viewmodels.board import BoardRole
from ui.viewmodels.catalog import CatalogVM, filter_options
from ui.viewmodels.models import ModelsVM
from ui.views.downloads_list import DownloadsList
from ui.widgets.card_board import EDGE, CardBoard
from ui.widgets.controls import Button, IconLabel, label, mark, row
from ui.widgets.filter_menu import FilterMenu
from ui.widgets.search_field import SearchField

WIDE, LEAST_FOR_SORT = 800, 640
"""From these widths on the count and the order stand beside the filters."""
FILTERS = ("role", "use", "size", "fit")


class NothingFound(QWidget):
    """What to do when no card is left."""

    clear_wanted = Signal()
    hub_wanted = Signal()
    online_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("models.nothing")
        self._title = label("", "heading")
        self._advice = label("", tone="soft")
        self._clear = Button(tr("Clear filters"))
        self._clear.setObjectName("models.nothing.clear")
        self._hub = Button(tr("Search the hub"), "accent", "globe")
        self._hub.setObjectName("models.nothing.hub")
        self._online = Button(tr("Go online"), "accent")
        self._online.setObjectName("models.nothing.online")
        self._clear.clicked.connect(self.clear_wanted)
        self._hub.clicked.connect(self.hub_wanted)
        self._online.clicked.connect(self.online_wanted)
        centre = Qt.AlignmentFlag.AlignHCenter
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 0, 24, 0)
        layout.setSpacing(10)
        layout.addStretch(2)
        layout.addWidget(IconLabel("scan-search", "soft", 36), 0, centre)
        layout.addSpacing(4)
        for part in (self._title, self._advice):
            part.setWordWrap(True)
            part.setAlignment(Qt.AlignmentFlag.AlignCenter)
            layout.addWidget(part)
        layout.addSpacing(8)
        layout.addLayout(row(None, self._clear, self._hub, self._online, None))
        layout.addStretch(3)

    def say(self, vm: CatalogVM) -> None:
        title, advice = vm.nothing_words()
        self._title.setText(title)
        self._advice.setText(advice)
        self._clear.setVisible(vm.filters.any)
        self._hub.setVisible(bool(vm.query) and not vm.offline)
        self._online.setVisible(vm.offline and bool(vm.query))


class CatalogPanel(QWidget):
    """Joins ``CatalogVM`` to field, filters and cards. ``opened`` carries the key of a card."""

    opened = Signal(str)

    def __init__(self, vm: ModelsVM, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._vm = vm
        self._catalog = vm.catalog
        self.search = SearchField(
            "models.search", tr("Search models"), tr("Search models, or paste an address from the hub")
        )
        self.board = CardBoard(BoardRole.CARD, BoardRole.KEY, self._catalog.board.sections)
        self.board.setModel(self._catalog.board)
        self.downloads = DownloadsList(vm.downloads)
        self.nothing = NothingFound()
        self._menus = {
            name: FilterMenu(f"models.filter.{name}", filter_options(name), title)
            for name, title in zip(
                (*FILTERS, "sort"), (tr("Task"), tr("Licence"), tr("Size"), tr("Fit"), tr("Order")), strict=True
            )
        }
        self._installed = QPushButton(tr("Installed"))
        self._clear = Button(tr("Clear"), "quiet", "x")
        self._count = label("", "secondary", "soft")
        self._stack = QStackedWidget()
        self._lay_out()
        self._connect()
        self._changed()

    def _lay_out(self) -> None:
        self._installed.setObjectName("models.filter.installed")
        self._installed.setAccessibleName(tr("Only what is on this computer"))
        self._installed.setCheckable(True)
        self._installed.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._installed.setCursor(Qt.CursorShape.PointingHandCursor)
        mark(self._installed, kind="toggle")
        self._clear.setObjectName("models.filter.clear")
        self._count.setObjectName("models.count")
        chips = row(*(self._menus[name] for name in FILTERS), self._installed, self._clear, None, spacing=8)
        chips.addWidget(self._count)
        chips.addWidget(self._menus["sort"])
        inside = QWidget()
        chips.setContentsMargins(EDGE, 0, EDGE, 0)
        inside.setLayout(chips)
        strip = QScrollArea()
        strip.setWidgetResizable(True)
        strip.setFrameShape(QScrollArea.Shape.NoFrame)
        strip.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        strip.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        strip.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        strip.setWidget(inside)
        strip.setFixedHeight(38)
        strip.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._stack.addWidget(self.board)
        self._stack.addWidget(self.nothing)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(strip)
        layout.addWidget(self.downloads)
        layout.addWidget(self._stack, 1)

    def _connect(self) -> None:
        catalog = self._catalog
        self.search.textChanged.connect(catalog.set_query)
        self.search.down_wanted.connect(self._into_cards)
        self.search.enter_pressed.connect(self._entered)
        for name, menu in self._menus.items():
            menu.chosen.connect(lambda value, name=name: catalog.set_filter(name, value))
        self._installed.toggled.connect(lambda on: catalog.set_filter("installed", on))
        self._clear.clicked.connect(catalog.clear_filters)
        self.nothing.clear_wanted.connect(catalog.clear_filters)
        self.nothing.hub_wanted.connect(catalog.search_hub_for_all)
        self.nothing.online_wanted.connect(self._vm.go_online)
        self.board.opened.connect(self.opened)
        self.board.more_wanted.connect(catalog.expand)
        self.downloads.opened.connect(self.opened)
        self.downloads.acted.connect(self._vm.act)
        self.board.installEventFilter(self)
        catalog.changed.connect(self._changed)

    def _changed(self) -> None:
        catalog = self._catalog
        if self.search.text().split() != catalog.query.split():
            self.search.setText(catalog.query)
        for name in FILTERS:
            self._menus[name].show_value(getattr(catalog.filters, name))
        self._menus["sort"].show_value(catalog.sort)
        self._installed.blockSignals(True)
        self._installed.setChecked(catalog.filters.installed)
        self._installed.blockSignals(False)
        self._clear.setVisible(catalog.filters.any)
        self._count.setText(catalog.count_words())
        self._fit()
        nothing = catalog.nothing()
        if nothing:
            self.nothing.say(catalog)
            if self.board.hasFocus():
                self.search.setFocus(Qt.FocusReason.OtherFocusReason)
        self._stack.setCurrentIndex(1 if nothing else 0)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """Beside open details in a small window there is room for the filters only."""
        self._count.setVisible(self.width() >= WIDE and bool(self._count.text()))
        self._menus["sort"].setVisible(self.width() >= LEAST_FOR_SORT)

    def _into_cards(self) -> None:
        if self._catalog.board.rowCount():
            self.board.setFocus(Qt.FocusReason.OtherFocusReason)
            if not self.board.currentIndex().isValid():
                self.board.setCurrentIndex(self._catalog.board.index(0))

    def _entered(self) -> None:
        """A pasted address names one thing: that is opened at once."""
        self._into_cards()
        if self._catalog.link() is not None:
            self.board.activated.emit(self.board.currentIndex())

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Typing over the cards goes into the search field."""
        if watched is self.board and isinstance(event, QKeyEvent) and event.type() is QEvent.Type.KeyPress:
            text = event.text()
            plain = event.modifiers() in (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier)
            if text and text.isprintable() and not text.isspace() and plain:
                self.search.setFocus(Qt.FocusReason.OtherFocusReason)
                self.search.insert(text)
                return True
        return super().eventFilter(watched, event)

    def show_chosen(self, key: str) -> None:
        """Mark the card whose details are shown."""
        board = self._catalog.board
        now = self.board.currentIndex()
        if now.isValid() and now.data(BoardRole.KEY) == key:
            return
        places = (board.index(row) for row, one in enumerate(board.keys()) if one == key)
        shown = next((index for index in places if not self.board.isIndexHidden(index)), None) if key else None
        if shown is not None:
            self.board.setCurrentIndex(shown)
        else:
            self.board.clearSelection()

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        return QSize(320, 240)
