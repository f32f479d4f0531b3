"""What stands around the gallery's grid: search, order and size above, the chosen pictures' commands below, and words
where there are no pictures."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QMenu, QVBoxLayout, QWidget

from ui.i18n import plural, tr
from ui.theme.icons import icon
from ui.viewmodels.gallery import ORDERS, GalleryVM
from ui.widgets.controls import Button, Combo, IconButton, IconLabel, Slider, label, mark, row
from ui.widgets.gallery_grid import LEAST_SIDE, MOST_SIDE
from ui.widgets.search_field import SearchField

FILTERS = (
    ("Rated 3 stars or more", "rating:3+"), ("Rated 5 stars", "rating:5"), ("Not rated", "rating:0"), ("", ""),
    ("Landscape", "size:landscape"), ("Portrait", "size:portrait"), ("Square", "size:square"), ("", ""),
    ("Today", "after:today"), ("The last 7 days", "after:7d"), ("The last 30 days", "after:30d"), ("", ""),
    ("Made here", "is:made"), ("Imported", "is:imported"), ("With tags", "is:tagged"),
)  # fmt: skip
"""What the menu offers, and how it is written in the search."""


class GalleryBar(QWidget):
    down_wanted = Signal()
    side_chosen = Signal(int)
    details_wanted = Signal()
    import_wanted = Signal()
    look_wanted = Signal()

    def __init__(self, vm: GalleryVM, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._vm = vm
        self.search = SearchField("gallery.search", tr("Search pictures"), tr("Search prompts, models, notes, tags…"))
        self.search.setToolTip(tr('Words, "exact words", -without, model:flux, seed:42, after:7d, size:1024x768'))
        self.filter = Button(tr("Filter"), "", "sliders-horizontal")
        self.filter.setObjectName("gallery.filter")
        self.sort = Combo()
        self.sort.setObjectName("gallery.sort")
        self.sort.setAccessibleName(tr("Order"))
        for sort, words in ORDERS.items():
            self.sort.addItem(tr(words), sort.value)
        self.sort.setCurrentIndex(list(ORDERS).index(vm.sort))
        self.side = Slider()
        self.side.setObjectName("gallery.size")
        self.side.setAccessibleName(tr("Size of the thumbnails"))
        self.side.setToolTip(tr("Size of the thumbnails (Ctrl+wheel)"))
        self.side.setRange(LEAST_SIDE, MOST_SIDE)
        self.side.setFixedWidth(96)
        self._count = label("", "secondary", "soft")
        self._count.setObjectName("gallery.count")
        self._more = IconButton("ellipsis", tr("More"), "gallery.more")
        self._details = IconButton("panel-right", tr("Show or hide the details"), "gallery.details.toggle")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(16, 14, 12, 10)
        layout.setSpacing(8)
        layout.addWidget(self.search, 1)
        for part in (self.filter, self.sort, self._count, self.side, self._more, self._details):
            layout.addWidget(part)
        self._connect()

    def _connect(self) -> None:
        self.search.textChanged.connect(self._vm.search)
        self.search.down_wanted.connect(self.down_wanted)
        self.search.enter_pressed.connect(self.down_wanted)
        self.sort.currentIndexChanged.connect(lambda place: self._vm.set_sort(list(ORDERS)[place]))
        self.side.valueChanged.connect(self.side_chosen)
        self._details.clicked.connect(self.details_wanted)
        self.filter.clicked.connect(self.open_filters)
        self._more.clicked.connect(self._open_more)

    def open_filters(self) -> QMenu:
        menu = QMenu(self)
        menu.setObjectName("gallery.filter.menu")
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for words, filter_ in FILTERS:
            if not words:
                menu.addSeparator()
                continue
            action = menu.addAction(tr(words))
            action.setCheckable(True)
            action.setChecked(filter_ in self._vm.query.split())
            action.triggered.connect(lambda on, filter_=filter_: self._filter(filter_, on))
        menu.popup(self.filter.mapToGlobal(self.filter.rect().bottomLeft()))
        return menu

    def _filter(self, words: str, on: bool) -> None:
        if on:
            self._vm.add_filter(words)
        else:
            self._vm.search(" ".join(part for part in self._vm.query.split() if part != words))
        self.search.setText(self._vm.query)

    def _open_more(self) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        entries: tuple[tuple[str, str, Callable[[], None]], ...] = (
            ("download", tr("Import pictures…"), self.import_wanted.emit),
            ("scan-search", tr("Look for moved pictures"), self.look_wanted.emit),
        )
        for icon_name, words, command in entries:
            menu.addAction(icon(icon_name), words).triggered.connect(lambda _=False, command=command: command())
        menu.popup(self._more.mapToGlobal(self._more.rect().bottomLeft()))

    def show_state(self) -> None:
        self._count.setText(self._vm.count_words())
        if self.search.text() != self._vm.query and not self.search.hasFocus():
            self.search.setText(self._vm.query)

    def show_side(self, side: int) -> None:
        with QSignalBlocker(self.side):
            self.side.setValue(side)


class SelectionBar(QFrame):
    """What can be done with all that is chosen."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("gallery.chosen")
        mark(self, surface="panel")
        self._count = label("", "strong")
        self.favour = IconButton("heart", tr("Favourite  (F)"), "gallery.favour")
        self.tag = Button(tr("Tag…"), "quiet", "type")
        self.collect = Button(tr("Add to collection"), "quiet", "layers")
        self.export = Button(tr("Export…"), "quiet", "upload")
        self.delete = Button(tr("Delete"), "quiet", "trash-2")
        self.restore = Button(tr("Bring back"), "quiet", "undo-2")
        self.empty = Button(tr("Empty the trash…"), "quiet", "trash-2")
        self._parts = (self.favour, self.tag, self.collect, self.export)
        for name in ("tag", "collect", "export", "delete", "restore", "empty"):
            getattr(self, name).setObjectName(f"gallery.{name}")
        line = row(self._count, None, *self._parts, self.restore, self.delete, self.empty, spacing=6)
        line.setContentsMargins(16, 6, 12, 6)
        self.setLayout(line)

    def show_count(self, chosen: int, trash: bool, total: int) -> None:
        self._count.setText(plural("1 chosen", "{n} chosen", chosen) if chosen else "")
        for part in self._parts:
            part.setVisible(bool(chosen) and not trash)
        self.delete.setVisible(bool(chosen))
        self.restore.setVisible(trash and bool(chosen))
        self.empty.setVisible(trash and not chosen)
        self.setVisible(bool(chosen) or (trash and total > 0))


class Nothing(QWidget):
    """Instead of pictures: why there are none, and the one thing to do."""

    clear_wanted = Signal()
    import_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("gallery.nothing")
        self._title, self._line = label("", "heading"), label("", tone="soft", wrap=True)
        self._clear = Button(tr("Show all pictures"), "accent")
        self._clear.setObjectName("gallery.nothing.clear")
        self._clear.clicked.connect(self.clear_wanted)
        self._import = Button(tr("Import pictures…"), "", "download")
        self._import.setObjectName("gallery.nothing.import")
        self._import.clicked.connect(self.import_wanted)
        self.setFocusProxy(self._import)
        layout = QVBoxLayout(self)
        layout.setSpacing(10)
        layout.addStretch(2)
        layout.addWidget(IconLabel("images", "soft", 36), 0, Qt.AlignmentFlag.AlignHCenter)
        for part in (self._title, self._line):
            part.setAlignment(Qt.AlignmentFlag.AlignCenter)
            layout.addWidget(part)
        layout.addLayout(row(None, self._clear, self._import, None))
        layout.addStretch(3)

    def say(self, vm: GalleryVM) -> None:
        title, line = vm.empty_words()
        self._title.setText(title)
        self._line.setText(line)
        self._clear.setVisible(vm.is_filtered())
        self._import.setVisible(not vm.is_filtered())
