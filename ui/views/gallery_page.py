"""The Gallery page: places, the grid of pictures under its search, what is said of the chosen ones beside it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QItemSelectionModel, QPoint, Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QMenu, QStackedWidget, QVBoxLayout, QWidget

from ui.i18n import plural, tr
from ui.theme.icons import icon
from ui.viewmodels.asks import Confirm
from ui.viewmodels.gallery import COLLECTION, TRASH, GalleryVM, Notice
from ui.viewmodels.gallery_rows import GalleryRole
from ui.viewmodels.words import ErrorView
from ui.views.gallery_bar import GalleryBar, Nothing, SelectionBar
from ui.views.models_dialogs import ConfirmDialog
from ui.views.recipe_panel import RecipePanel
from ui.views.text_dialog import TextDialog
from ui.widgets.controls import IconButton, divider, label, mark, row
from ui.widgets.floating import Toast
from ui.widgets.gallery_grid import GalleryGrid, Roles
from ui.widgets.places_list import PlacesList

if TYPE_CHECKING:
    from ui.viewmodels.facts import FactsVM
    from ui.viewmodels.recent import Thumbs

PLACES_WIDTH, DETAILS_WIDTH = 208, 312
DETAILS_FROM, PLACES_FROM = 1000, 760
"""Below these widths of the page the details, and then the places, give way to the pictures."""


class GalleryPage(QWidget):
    """``picture_wanted`` carries a picture's id to be looked at; ``export_wanted`` ids; ``import_wanted`` folders."""

    picture_wanted = Signal(str)
    export_wanted = Signal(list)
    print_wanted = Signal(list)
    import_wanted = Signal(list)

    def __init__(self, vm: GalleryVM, facts: FactsVM, thumbs: Thumbs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._vm, self._facts = vm, facts
        self.setObjectName("gallery.page")
        mark(self, surface="bg")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAcceptDrops(True)
        self.motion = True
        self.bar = GalleryBar(vm)
        self.places = PlacesList()
        self.grid = GalleryGrid(Roles(GalleryRole.ID, GalleryRole.THUMB, GalleryRole.ROW))
        self.grid.setModel(vm.model)
        self.nothing = Nothing()
        self.chosen_bar = SelectionBar()
        self.details = RecipePanel(facts, thumbs)
        self.toast = Toast(self)
        self.toast.setObjectName("gallery.notice")
        self._wanted_details = True
        self._lay_out()
        self._connect()
        self._set_side(vm.side)
        self._changed()

    def _lay_out(self) -> None:
        self._new = IconButton("plus", tr("New collection"), "gallery.collection.new", 16)
        heading = row(label(tr("Gallery"), "heading"), None, self._new, spacing=4)
        heading.setContentsMargins(16, 16, 10, 8)
        self._left = QWidget()
        self._left.setFixedWidth(PLACES_WIDTH)
        left = QVBoxLayout(self._left)
        left.setContentsMargins(0, 0, 0, 8)
        left.setSpacing(0)
        left.addLayout(heading)
        left.addWidget(self.places, 1)
        self._stack = QStackedWidget()
        self._stack.addWidget(self.grid)
        self._stack.addWidget(self.nothing)
        middle = QVBoxLayout()
        middle.setContentsMargins(0, 0, 0, 0)
        middle.setSpacing(0)
        middle.addWidget(self.bar)
        middle.addWidget(self._stack, 1)
        middle.addWidget(self.chosen_bar)
        self.details.setFixedWidth(DETAILS_WIDTH)
        self._line = divider("v")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._left)
        layout.addWidget(divider("v"))
        layout.addLayout(middle, 1)
        layout.addWidget(self._line)
        layout.addWidget(self.details)

    def _connect(self) -> None:
        vm, grid = self._vm, self.grid
        vm.changed.connect(self._changed)
        vm.places_changed.connect(self._places_changed)
        vm.noticed.connect(self.say)
        vm.failed.connect(self._failed)
        self.places.chosen.connect(vm.set_place)
        self.places.menu_wanted.connect(self._place_menu)
        self.places.dropped.connect(self._dropped_on)
        self._new.clicked.connect(lambda: self._new_collection([]))
        self.bar.down_wanted.connect(self._into_grid)
        self.bar.side_chosen.connect(self._set_side)
        self.bar.details_wanted.connect(self._toggle_details)
        self.bar.import_wanted.connect(lambda: self.import_wanted.emit([]))
        self.bar.look_wanted.connect(lambda: vm.look_for_moved())
        self.nothing.clear_wanted.connect(self._show_all)
        self.nothing.import_wanted.connect(lambda: self.import_wanted.emit([]))
        grid.side_changed.connect(self._set_side)
        grid.choice_changed.connect(self._choice_changed)
        grid.opened.connect(self._open)
        grid.favoured.connect(lambda: vm.favour(self.chosen()))
        grid.hearted.connect(lambda place: vm.favour(vm.model.ids_of([place])))
        grid.rated.connect(lambda stars: vm.rate(self.chosen(), stars))
        grid.trash_wanted.connect(self._delete)
        grid.menu_wanted.connect(lambda at: self.menu().popup(at))
        details = self.details
        details.shown_wanted.connect(self.show_picture)
        details.view_wanted.connect(self.picture_wanted)
        details.noticed.connect(lambda text: self.say(Notice(text)))
        self._facts.failed.connect(self._failed)
        bar = self.chosen_bar
        bar.favour.clicked.connect(lambda: vm.favour(self.chosen()))
        bar.tag.clicked.connect(self._ask_tags)
        bar.collect.clicked.connect(lambda: self._collect_menu().popup(bar.collect.mapToGlobal(QPoint(0, 0))))
        bar.export.clicked.connect(lambda: self.export_wanted.emit(self.chosen()))
        bar.delete.clicked.connect(self._delete)
        bar.restore.clicked.connect(lambda: vm.restore(self.chosen()))
        bar.empty.clicked.connect(self._empty_trash)

    # what is shown

    def opened(self) -> None:
        self._vm.opened()
        there = self.grid if self._stack.currentWidget() is self.grid else self.nothing
        there.setFocus(Qt.FocusReason.OtherFocusReason)

    def search(self) -> None:
        """Ctrl+F."""
        self.bar.search.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.bar.search.selectAll()

    def back_out(self) -> bool:
        """Esc: the choice first, then the search; False when there was nothing to leave."""
        if self.grid.chosen_count() > 1:
            self.grid.clearSelection()
            return True
        if self.bar.search.text():
            self.bar.search.clear()
            return True
        return False

    def chosen(self) -> list[str]:
        """The ids of what is chosen, in the order they stand."""
        return self._vm.model.ids_of(self.grid.chosen_rows())

    def _changed(self) -> None:
        empty = self._vm.count() == 0
        self._stack.setCurrentWidget(self.nothing if empty else self.grid)
        if empty:
            self.nothing.say(self._vm)
        self.bar.show_state()
        self._choice_changed()

    def _places_changed(self) -> None:
        self.places.show_places(self._vm.places(), self._vm.place)

    def _choice_changed(self) -> None:
        chosen = self.chosen() if self.grid.chosen_count() < 500 else []
        self.chosen_bar.show_count(self.grid.chosen_count(), self._vm.place == TRASH, self._vm.model.rowCount())
        self._facts.show(chosen)

    def _into_grid(self) -> None:
        if self._vm.model.rowCount():
            self.grid.setFocus(Qt.FocusReason.OtherFocusReason)
            if not self.grid.chosen_count():
                self._choose(0)

    def _show_all(self) -> None:
        self.bar.search.clear()
        self._vm.set_place("all")
        self._places_changed()

    def _set_side(self, side: int) -> None:
        self._vm.set_side(side, self.devicePixelRatioF())
        if self.grid.side != side:
            self.grid.set_side(side)
        self.bar.show_side(side)

    def show_picture(self, key: str) -> None:
        """Choose a picture; one that the search does not find is looked for among all."""
        place = self._vm.model.find(key)
        if place >= 0:
            self._choose(place)
        else:
            self._facts.show(key)

    def _choose(self, place: int) -> None:
        index = self._vm.model.index(place)
        self.grid.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.ClearAndSelect)
        self.grid.scrollTo(index)

    def _open(self, place: int) -> None:
        for key in self._vm.model.ids_of([place]):
            self.picture_wanted.emit(key)

    def say(self, notice: Notice) -> None:
        undo = tr("Undo") if notice.undo is not None else ""
        self.toast.say(notice.text, self.motion, self.width() - 48, undo, notice.undo)
        above = self.chosen_bar.height() if self.chosen_bar.isVisible() else 0
        self.toast.move((self.width() - self.toast.width()) // 2, self.height() - self.toast.height() - 16 - above)

    def _failed(self, view: ErrorView) -> None:
        self.say(Notice(f"{view.sentence} {view.advice}".strip()))

    # commands

    def _delete(self) -> None:
        chosen = self.chosen()
        if chosen and self._vm.place != TRASH:
            self._vm.throw(chosen)
        elif chosen:
            question = plural("Delete 1 picture for good?", "Delete {n} pictures for good?", len(chosen))
            self._confirm(question, lambda: self._vm.purge(chosen))

    def _empty_trash(self) -> None:
        self._confirm(tr("Empty the trash?"), lambda: self._vm.purge(None))

    def _confirm(self, question: str, then: Callable[[], None]) -> None:
        words = tr("The files are deleted. This cannot be undone.")
        ConfirmDialog(Confirm(question, words, tr("Delete"), then, danger=True), self).show()

    def _ask_tags(self) -> None:
        chosen, hint = self.chosen(), tr("Tags, separated by commas")
        TextDialog(tr("Add tags"), "type", hint, tr("Add"), self, lambda words: self._vm.tag(chosen, words)).show()

    def _new_collection(self, ids: list[str]) -> None:
        title, then = tr("New collection"), partial(self._vm.collect, ids)
        TextDialog(title, "layers", tr("Name"), tr("Make it"), self, then).show()

    def _collect_menu(self) -> QMenu:
        chosen = self.chosen()
        menu = self._menu()
        for place in self._vm.collections():
            action = menu.addAction(icon("layers"), place.title)
            action.triggered.connect(partial(self._vm.collect, chosen, place.title))
        if self._vm.collections():
            menu.addSeparator()
        menu.addAction(icon("plus"), tr("New collection…")).triggered.connect(lambda: self._new_collection(chosen))
        return menu

    def _menu(self) -> QMenu:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        return menu

    def menu(self) -> QMenu:
        """What can be done with what is chosen."""
        chosen, menu, vm = self.chosen(), self._menu(), self._vm
        entries: list[tuple[str, str, Callable[[], object], bool]]
        if vm.place == TRASH:
            entries = [
                ("undo-2", tr("Bring back"), lambda: vm.restore(chosen), True),
                ("trash-2", tr("Delete for good…"), self._delete, True),
            ]
        else:
            one, facts = len(chosen) == 1, self._facts
            entries = [
                ("maximize-2", tr("Open"), lambda: self.picture_wanted.emit(chosen[0]), one),
                ("history", tr("Use these settings"), facts.use_settings, one),
                ("dices", tr("Use its seed"), facts.use_seed, one),
                ("image-plus", tr("Start from it"), facts.use_as_input, one),
                ("shuffle", tr("Vary"), lambda: facts.vary(False), one and facts.can_vary()),
                ("heart", tr("Favourite"), lambda: vm.favour(chosen), True),
                ("type", tr("Add tags…"), self._ask_tags, True),
                ("layers", tr("Add to collection"), lambda: self._collect_menu().popup(self.cursor().pos()), True),
                ("minus", tr("Take out of this collection"), lambda: vm.uncollect(chosen),
                 vm.place.startswith(COLLECTION)),
                ("copy", tr("Copy"), self.copy, True),
                ("folder-open", tr("Show in folder"), facts.open_location, one),
                ("upload", tr("Export…"), lambda: self.export_wanted.emit(chosen), True),
                ("file", tr("Print…"), lambda: self.print_wanted.emit(chosen), True),
                ("trash-2", tr("Delete"), self._delete, True),
            ]  # fmt: skip
        for icon_name, words, command, possible in entries:
            if possible and chosen:
                menu.addAction(icon(icon_name), words).triggered.connect(lambda _=False, command=command: command())
        return menu

    def copy(self) -> None:
        """Ctrl+C: as files, and as a picture where there is one."""
        from PySide6.QtGui import QImage

        from ui.viewmodels import desktop

        chosen = self.chosen()
        paths = self._vm.model.paths(chosen)
        if paths:
            image = self._facts.preview() if len(paths) == 1 else None
            desktop.copy_pictures(paths, image if isinstance(image, QImage) and not image.isNull() else None)
            self.say(Notice(plural("1 picture copied.", "{n} pictures copied.", len(paths))))

    def _place_menu(self, key: str, at: QPoint) -> None:
        found = self._vm.collection(key)
        menu = self._menu()
        if found is not None:
            menu.addAction(icon("type"), tr("Rename…")).triggered.connect(lambda: self._rename(key, found.title))
            remove = menu.addAction(icon("trash-2"), tr("Remove the collection"))
            remove.triggered.connect(lambda: self._vm.remove_collection(key))
        elif key == TRASH:
            menu.addAction(icon("trash-2"), tr("Empty the trash…")).triggered.connect(self._empty_trash)
        if not menu.isEmpty():
            menu.popup(at)

    def _rename(self, key: str, name: str) -> None:
        title, then = tr("Rename the collection"), partial(self._vm.rename_collection, key)
        TextDialog(title, "type", tr("Name"), tr("Rename"), self, then, name).show()

    def _dropped_on(self, key: str) -> None:
        found = self._vm.collection(key)
        if found is not None:
            self._vm.collect(self.chosen(), found.title)
        elif key == TRASH:
            self._vm.throw(self.chosen())

    # folders of old pictures dropped on the page

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802
        if event.source() is None and event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802
        folders = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        if folders:
            event.acceptProposedAction()
            self.import_wanted.emit(folders)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Typing on the page goes into the search."""
        text = event.text()
        if text and text.isprintable() and not text.isspace() and not event.modifiers():
            self.bar.search.setFocus(Qt.FocusReason.OtherFocusReason)
            self.bar.search.insert(text)
        else:
            super().keyPressEvent(event)

    def _toggle_details(self) -> None:
        self._wanted_details = self.details.isHidden()
        self._show_panels()
        if self._wanted_details:
            self.details.show()
            self._line.show()

    def _show_panels(self) -> None:
        details = self._wanted_details and self.width() >= DETAILS_FROM
        self.details.setVisible(details)
        self._line.setVisible(details)
        self._left.setVisible(self.width() >= PLACES_FROM)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        self._show_panels()
