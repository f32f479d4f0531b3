"""The main window: rail, pages, shortcuts, dropping things on it, and what it remembers."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray, QUrl, Signal
from PySide6.QtGui import (
    QCloseEvent,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDragMoveEvent,
    QDropEvent,
    QGuiApplication,
    QKeySequence,
    QShortcut,
)
from PySide6.QtWidgets import QHBoxLayout, QMainWindow, QStackedWidget, QWidget

from ui.i18n import tr
from ui.theme.apply import Theme
from ui.viewmodels.help import OF_PAGE, HelpVM
from ui.viewmodels.workspace import Workspace
from ui.views.create_page import CreatePage
from ui.views.rail import Rail
from ui.views.shortcuts_sheet import ShortcutsSheet
from ui.widgets.controls import divider, mark
from ui.widgets.picture_field import picture_file

if TYPE_CHECKING:
    from ui.views.explore_dialog import ExploreDialog
    from ui.views.gallery_page import GalleryPage
    from ui.views.help_window import HelpWindow
    from ui.views.models_page import ModelsPage
    from ui.views.settings_page import SettingsPage
    from ui.views.viewer import Viewer

PAGES = ("create", "models", "gallery", "settings")
SIZE = (1280, 800)
LEAST = (1024, 640)
WEIGHTS = (".safetensors", ".sft", ".gguf", ".ckpt", ".pt", ".pth")


class MainWindow(QMainWindow):
    """``closed`` comes once, after the state was saved and the view-models let go of the core."""

    closed = Signal()

    def __init__(self, workspace: Workspace, theme: Theme) -> None:
        super().__init__()
        self.workspace = workspace
        self.theme = theme
        self.setObjectName("window")
        self.setWindowTitle("Atelier")
        self.setMinimumSize(*LEAST)
        self.setAcceptDrops(True)
        self.rail = Rail()
        self.create_page = CreatePage(workspace)
        self._pages = QStackedWidget()
        self._shown: dict[str, QWidget] = {"create": self.create_page}
        self._lay_out()
        self._sheet: ShortcutsSheet | None = None
        self._closing = False
        self._motion = True
        self._connect()
        self._add_shortcuts()
        self._apply_settings()
        self._engine_changed()
        self._restore()
        self.show_page("create")
        self.create_page.form.edit_prompt()

    def _lay_out(self) -> None:
        self.rail.add("create", tr("Create"), "sparkles", "Ctrl+1")
        self.rail.add("models", tr("Models"), "boxes", "Ctrl+2")
        self.rail.add("gallery", tr("Gallery"), "images", "Ctrl+3")
        self.rail.add("settings", tr("Settings"), "settings", "Ctrl+,")
        self._pages.addWidget(self.create_page)
        body = QWidget()
        layout = QHBoxLayout(body)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.rail)
        layout.addWidget(divider("v"))
        layout.addWidget(self._pages, 1)
        self.setCentralWidget(body)

    def _connect(self) -> None:
        workspace = self.workspace
        self.rail.chosen.connect(self.show_page)
        self.rail.dropped.connect(self._dropped_on_rail)
        self.rail.help.clicked.connect(lambda: self.show_help(OF_PAGE[self.page]))
        self.create_page.form.form.help_wanted.connect(self.show_help)
        self.create_page.form.explore_wanted.connect(lambda: self.explore.open_again())
        self.create_page.canvas.compare.explore.clicked.connect(self.explore_differences)
        workspace.engine_changed.connect(self._engine_changed)
        workspace.settings.changed.connect(self._setting_changed)
        workspace.canvas.wanted.connect(self._wanted)
        workspace.canvas.progress_changed.connect(self._progress_changed)
        workspace.canvas.use_wanted.connect(lambda *_: self.show_page("create"))
        workspace.models.wanted.connect(self._wanted)
        workspace.models.use_wanted.connect(lambda *_: self.edit_prompt())
        workspace.models.downloads.changed.connect(lambda _: self._downloads_changed())
        self.rail.tray.clicked.connect(lambda: self.show_models("browse"))
        self.create_page.form.picker.more_wanted.connect(lambda: self.show_models("browse"))
        self.create_page.form.browse_wanted.connect(self.show_role)
        self.create_page.form.details_wanted.connect(self.show_entry)
        self._downloads_changed()

    def _add_shortcuts(self) -> None:
        page = self.create_page
        commands = (
            (("Ctrl+Return", "Ctrl+Enter"), self.generate),
            (("Esc",), self.back_out),
            (("Ctrl+L",), self.edit_prompt),
            (("Ctrl+M",), self.choose_model),
            (("F9",), page.toggle_side),
            (("Shift+F9",), page.toggle_form),
            (("F11",), self.view_shown),
            (("Ctrl+1",), self._create_or_actual_size),
            (("Ctrl+2",), lambda: self.show_page("models")),
            (("Ctrl+3",), lambda: self.show_page("gallery")),
            (("Ctrl+F",), self.search),
            (("Ctrl+,",), lambda: self.show_page("settings")),
            (("Ctrl+Q",), self.close),
            (("F1",), lambda: self.show_help(OF_PAGE[self.page])),
            (("Shift+F1",), self.show_shortcuts),
            (("Ctrl+C",), self.copy),
            (("Ctrl+O",), page.canvas.open),
            (("Ctrl+V",), page.canvas.paste),
            (("Ctrl+S",), lambda: page.canvas.save_as()),
            (("Ctrl+0",), page.canvas.view.fit),
        )
        for keys, command in commands:
            for key in keys:
                QShortcut(QKeySequence(key), self).activated.connect(command)

    # pages and commands

    # Only Create is made at the start; the others when they are first wanted, which spares each start their time.

    @cached_property
    def models_page(self) -> ModelsPage:
        from ui.views.models_page import ModelsPage

        page = ModelsPage(self.workspace.models)
        page.motion = self._motion
        self._add_page("models", page)
        return page

    @cached_property
    def gallery_page(self) -> GalleryPage:
        from ui.views.gallery_work import gallery_page

        page = gallery_page(self.workspace, self)
        page.motion = self._motion
        page.picture_wanted.connect(self.view_picture)
        self.workspace.facts.page_wanted.connect(self.show_page)
        self._add_page("gallery", page)
        return page

    @cached_property
    def settings_page(self) -> SettingsPage:
        from ui.views.settings_page import SettingsPage

        _ = self.models_page  # its dialogs serve the account, too
        page = SettingsPage(self.workspace.settings, self.workspace.models)
        self._add_page("settings", page)
        return page

    def _add_page(self, name: str, page: QWidget) -> None:
        self._shown[name] = page
        self._pages.addWidget(page)

    @property
    def page(self) -> str:
        return next(name for name, page in self._shown.items() if page is self._pages.currentWidget())

    def show_page(self, name: str) -> None:
        if name in PAGES:
            self._pages.setCurrentWidget(getattr(self, f"{name}_page"))
            self.rail.show_page(name)
            if name == "models":
                self.models_page.opened()
            elif name == "gallery":
                self.gallery_page.opened()

    def show_models(self, segment: str) -> None:
        """The Models page with its segment "browse" or "storage"."""
        self.show_page("models")
        self.models_page.show_segment(segment)

    def show_role(self, role: str) -> None:
        """The Models page with what there is of one role ("lora", "controlnet"...)."""
        self.show_models("browse")
        self.workspace.models.catalog.show_role(role)

    def show_entry(self, key: str) -> None:
        """The Models page with the details of a catalog entry, where it can be downloaded."""
        self.show_models("browse")
        self.workspace.models.choose(key)

    def show_picture(self, result: str) -> None:
        """A picture of the library on the canvas."""
        self.show_page("create")
        self.workspace.canvas.show_result(result)

    @cached_property
    def viewer(self) -> Viewer:
        from ui.viewmodels.viewing import ViewerVM
        from ui.views.viewer import Viewer

        workspace = self.workspace
        made = Viewer(ViewerVM(workspace.core, workspace.loader, self), workspace.facts, workspace.thumbs, self)
        made.vm.moved.connect(self._viewed)
        made.left.connect(self._viewed)
        made.set_background(workspace.settings.value("canvas"))
        workspace.facts.page_wanted.connect(self.show_page)
        return made

    def view_picture(self, result: str) -> None:
        """A picture on the whole screen: from the gallery among what it shows, from Create among the newest."""
        from ui.viewmodels.viewing import Ids, ModelLine

        if self.page == "gallery":
            self.viewer.open(result, ModelLine(self.workspace.gallery.model))
            return
        newest = {one.id: one.path for one in self.workspace.core.library.recent()}
        ids = list(newest) if result in newest else [result, *newest]
        self.viewer.open(result, Ids(ids, lambda key: self.workspace.thumbs.get(newest.get(key, ""))))

    def view_shown(self) -> None:
        """F11."""
        chosen = self.gallery_page.chosen() if self.page == "gallery" else [self.workspace.canvas.shown.result]
        if self.page in ("create", "gallery") and chosen and chosen[0]:
            self.view_picture(chosen[0])

    def _viewed(self, result: str) -> None:
        """The page behind shows what was looked at last."""
        if self.page == "gallery":
            self.gallery_page.show_picture(result)
        elif self.page == "create" and self.workspace.canvas.shown.result not in ("", result):
            self.workspace.canvas.show_result(result)

    def copy(self) -> None:
        if self.page == "gallery":
            self.gallery_page.copy()
        else:
            self.create_page.canvas.copy()

    def search(self) -> None:
        """Ctrl+F: among pictures where they are, elsewhere among models."""
        if self.page == "gallery":
            self.gallery_page.search()
        else:
            self.search_models()

    def search_models(self) -> None:
        self.show_page("models")
        self.models_page.search()

    def _downloads_changed(self) -> None:
        self.rail.tray.show_view(self.workspace.models.downloads.tray())

    def _create_or_actual_size(self) -> None:
        """Ctrl+1 leads to the canvas; pressed there, one pixel of the picture becomes one of the screen."""
        if self.page == "create":
            self.create_page.canvas.view.actual_size()
        self.show_page("create")

    def generate(self) -> None:
        self.show_page("create")
        self.create_page.form.go()

    def edit_prompt(self) -> None:
        self.show_page("create")
        self.create_page.form.edit_prompt()

    def choose_model(self) -> None:
        self.show_page("create")
        self.create_page.form.open_picker()

    def back_out(self) -> None:
        """Esc: leave what is open on the page, then the page, else stop what runs, else put the error away."""
        if self.page == "models" and self.models_page.back_out():
            return
        if self.page == "gallery" and self.gallery_page.back_out():
            return
        if self.page == "create" and self.create_page.canvas.back_out():
            return
        if self.page != "create":
            self.show_page("create")
        elif not self.workspace.canvas.cancel():
            self.workspace.canvas.dismiss_error()

    @cached_property
    def help(self) -> HelpWindow:
        from ui.views.help_window import HelpWindow

        made = HelpWindow(HelpVM(self), self)
        made.shortcuts_wanted.connect(self.show_shortcuts)
        return made

    def show_help(self, page: str) -> None:
        """The help with the page of that name."""
        self.help.open_at(page)

    @cached_property
    def explore(self) -> ExploreDialog:
        from ui.views.explore_dialog import ExploreDialog

        made = ExploreDialog(self.workspace.explore, self.workspace.thumbs, self)
        made.opened.connect(self.workspace.canvas.show_result)
        made.use_wanted.connect(self.workspace.canvas.use_settings)
        made.help_wanted.connect(lambda: self.show_help("grids"))
        return made

    def explore_differences(self) -> None:
        """The pictures that are compared: what differs between them becomes a grid's axes."""
        left, right = self.workspace.compare.left, self.workspace.compare.right
        if left and right and self.workspace.explore.take_differences(left.result, right.result):
            self.explore.open_again()
        else:
            self.create_page.canvas.say(tr("Nothing differs between these two that can be varied here."))

    def show_shortcuts(self) -> None:
        if self._sheet is None:
            self._sheet = ShortcutsSheet(self)
        self._sheet.show()
        self._sheet.raise_()

    def _wanted(self, what: str) -> None:
        commands: dict[str, Callable[[], object]] = {
            "choose_model": self.choose_model,
            "open_settings": lambda: self.show_page("settings"),
            "edit_inputs": self.edit_prompt,
            "retry": self.generate,
            "get_model": lambda: self.show_models("browse"),
            "open_storage": lambda: self.show_models("storage"),
        }
        if what in commands:
            commands[what]()

    def _progress_changed(self) -> None:
        """The task bar tells how far the job is, too."""
        view = self.workspace.canvas.progress()
        known = view is not None and view.fraction >= 0
        self.setWindowTitle(f"{round(view.fraction * 100)} % - Atelier" if view is not None and known else "Atelier")

    # settings and engine

    def _setting_changed(self, name: str) -> None:
        if name in ("theme", "canvas", "reduced_motion"):
            self._apply_settings()

    def _apply_settings(self) -> None:
        settings = self.workspace.settings
        self.theme.choose(settings.value("theme"))
        self.create_page.canvas.set_background(settings.value("canvas"))
        if "viewer" in vars(self):
            self.viewer.set_background(settings.value("canvas"))
        self._motion = not (settings.value("reduced_motion") or self.theme.reduced_motion())
        self.create_page.canvas.motion = self._motion
        if "models" in self._shown:
            self.models_page.motion = self._motion
        if "gallery" in self._shown:
            self.gallery_page.motion = self._motion

    def _engine_changed(self) -> None:
        self.rail.engine.show_engine(self.workspace.engine())

    # dropping a picture or a model anywhere

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802
        kind, path = self._dropped(event) or ("", "")
        if kind:
            event.acceptProposedAction()
            self._light(True, kind)
        if kind == "picture" and self.page == "create":
            self.create_page.canvas.begin_drop(path)

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:  # noqa: N802
        event.acceptProposedAction()
        self.create_page.canvas.hover_drop(self.mapToGlobal(event.position().toPoint()))

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:  # noqa: N802
        self._light(False)

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802
        self._light(False)
        kind, path = self._dropped(event) or ("", "")
        if not kind:
            return
        event.acceptProposedAction()
        if kind == "weights":
            self._take_weights(event.mimeData().urls())
            return
        self.show_page("create")
        if kind == "model":
            self.workspace.create.add_folder(path)
        elif kind == "picture":
            self.create_page.canvas.take_drop(path, self.mapToGlobal(event.position().toPoint()))

    def _dropped_on_rail(self, page: str, urls: Sequence[QUrl]) -> None:
        """A picture let go on Create is worked on; what is for another page is dropped there."""
        self.show_page(page)
        picture = picture_file(list(urls))
        if page == "create" and picture:
            self.create_page.canvas.take_drop(picture, self.mapToGlobal(self.rail.pos()))

    def _take_weights(self, urls: Sequence[QUrl]) -> None:
        """On Create they are for what is made next; elsewhere they are only added."""
        paths = [url.toLocalFile() for url in urls if url.isLocalFile()]
        if self.page == "create" and paths:
            self.create_page.take_weights(paths)
            return
        self.show_page("models")
        self.models_page.take(urls)

    def _dropped(self, event: QDropEvent) -> tuple[str, str] | None:
        urls = event.mimeData().urls()
        if event.source() is self.create_page.canvas.view or not urls:
            return None
        if event.source() is not None and self.page != "create":
            return None
        weights = any(url.fileName().lower().endswith(WEIGHTS) for url in urls)
        if self.page == "models" or weights:
            return "weights", ""
        folders = [url.toLocalFile() for url in urls if url.isLocalFile() and Path(url.toLocalFile()).is_dir()]
        if folders:  # one with a part of a model is looked at first, as a file is
            return ("model", folders[0]) if (Path(folders[0]) / "model_index.json").is_file() else ("weights", "")
        picture = picture_file(urls)
        return ("picture", picture) if picture else None

    def _light(self, on: bool, kind: str = "") -> None:
        """Show where what is dragged could be dropped."""
        if not on:
            self.create_page.canvas.end_drop()
        if "models" in self._shown and (not on or self.page == "models"):
            self.models_page.light(on)
            if on:
                return
        self.create_page.light(on and kind == "weights")
        for field in self.create_page.form.form.pictures():
            field.light(on and kind == "picture")
        mark(self.create_page.form.picker, drop="true" if on and kind == "model" else "false")
        self.create_page.form.picker.update()

    # what is remembered

    @property
    def is_closing(self) -> bool:
        return self._closing

    def _restore(self) -> None:
        state = self.workspace.state
        geometry = state.get("geometry")
        restored = False
        if isinstance(geometry, str):
            restored = self.restoreGeometry(QByteArray(base64.b64decode(geometry, validate=False)))
        if not restored:
            screen = QGuiApplication.primaryScreen().availableGeometry()
            self.resize(min(SIZE[0], screen.width()), min(SIZE[1], screen.height()))

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802
        if not self._closing:
            self._closing = True
            if "viewer" in vars(self):
                self.viewer.close()
            self.hide()
            self.create_page.remember()
            self.workspace.state.set("geometry", base64.b64encode(self.saveGeometry().data()).decode())
            self.workspace.close()
            self.workspace.state.save()
            self.closed.emit()
        super().closeEvent(event)
