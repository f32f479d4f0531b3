"""All view-models of one window, built on one core."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from app.events import EngineChanged, TroubleArose
from ui.state import WindowState
from ui.viewmodels.canvas import CanvasVM
from ui.viewmodels.comparing import CompareVM
from ui.viewmodels.control_maps import MapsVM
from ui.viewmodels.create import CreateVM
from ui.viewmodels.dropped import DropVM
from ui.viewmodels.explore import ExploreVM
from ui.viewmodels.fast import FastVM
from ui.viewmodels.models import ModelsVM
from ui.viewmodels.pictures import PictureLoader
from ui.viewmodels.ports import CorePort
from ui.viewmodels.prompts import PromptsVM
from ui.viewmodels.queue import HeldVM, QueueModel
from ui.viewmodels.recent import RecentModel, Thumbs
from ui.viewmodels.settings import SettingsVM
from ui.viewmodels.taken import TakenVM
from ui.viewmodels.texture import TextureVM
from ui.viewmodels.tools import ToolsVM
from ui.viewmodels.words import EngineView, engine_view
from ui.viewmodels.work import WorkVM

if TYPE_CHECKING:
    from ui.viewmodels.facts import FactsVM
    from ui.viewmodels.gallery import GalleryVM


class Workspace(QObject):
    """Owns the view-models and joins those that need each other."""

    engine_changed = Signal()

    def __init__(self, core: CorePort, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.core = core
        self.state = WindowState(core.paths.config / "window.json")
        self.loader = PictureLoader(self)
        self.thumbs = Thumbs(self.loader, self)
        self.create = CreateVM(core, self.state, self)
        self.prompts = PromptsVM(core, self.create, self.state, self)
        self.fast = FastVM(core, core, self.create, self)
        self.work = WorkVM(self.create, core.paths, self)
        self.canvas = CanvasVM(core, self.loader, self.work, self)
        self.maps = MapsVM(core, self.create, self.canvas, self)
        self.compare = CompareVM(core, self.loader, self)
        self.drop = DropVM(self.create, self.work, self)
        self.explore = ExploreVM(core, self.create, self)
        self.texture = TextureVM(core, self.create, self)
        self.tools = ToolsVM(core, self.create, self)
        self.queue = QueueModel(core, self)
        self.held = HeldVM(core, self)
        self.recent = RecentModel(core, self.thumbs, self)
        self.settings = SettingsVM(core, self)
        self.models = ModelsVM(core, core, self)
        self.taken = TakenVM(core, self.create, self.models.imports, self)
        self.taken.noticed.connect(self.canvas.noticed)
        self.work.thumb_made.connect(self.thumbs.put)
        self.thumbs.awaited = self._is_opened
        self.create.submitted.connect(self.canvas.follow)
        self.tools.submitted.connect(self.canvas.follow)
        self.tools.refused.connect(self.canvas.refuse)
        self.create.refused.connect(self.canvas.refuse)
        self.explore.submitted.connect(self.canvas.follow)
        self.texture.submitted.connect(self.canvas.follow)
        self.texture.refused.connect(self.canvas.refuse)
        self.texture.noticed.connect(self.canvas.noticed)
        self.explore.refused.connect(self.canvas.refuse)
        self.explore.noticed.connect(self.canvas.noticed)
        self.maps.failed.connect(self.canvas.refuse)
        self.canvas.use_wanted.connect(self.create.use)
        self.canvas.models_wanted.connect(self.models.act)
        self.models.use_wanted.connect(self._use_model)
        self._ends = [
            core.events.subscribe(EngineChanged, lambda _: self.engine_changed.emit()),
            core.events.subscribe(TroubleArose, lambda event: self.canvas.report(event.error)),
        ]
        self.canvas.show_newest()

    @cached_property
    def gallery(self) -> GalleryVM:
        """Made with its page."""
        from ui.viewmodels.gallery import GalleryVM

        return GalleryVM(self.core, self.state, self)

    @cached_property
    def facts(self) -> FactsVM:
        from ui.viewmodels.facts import FactsVM

        return FactsVM(self.core, self.create, self.canvas, self.compare, self.loader, self)

    def _is_opened(self, path: str) -> bool:
        """The picture in ``path`` is on its way to the canvas."""
        return path == self.create.values().get("image") and self.work.thumb_of != path

    def _use_model(self, model: str, inputs: Mapping[str, Any]) -> None:
        """Create with this model, and the prompt that was picked with it."""
        self.create.select(model)
        if inputs:
            self.create.set_values(inputs)

    def engine(self) -> EngineView:
        return engine_view(self.core.engine.status)

    def close(self) -> None:
        """End all subscriptions and threads; the core is left to whoever made it."""
        for made in ("facts", "gallery"):
            if made in vars(self):
                getattr(self, made).close()
        self.create.remember()
        for end in self._ends:
            end()
        for part in (self.fast, self.create, self.canvas, self.queue, self.held, self.recent, self.settings):
            part.close()
        self.tools.close()
        self.taken.close()
        self.models.close()
        self.prompts.close()
        self.maps.close()
        self.work.close()
        self.drop.close()
        self.explore.close()
        self.texture.close()
        self.loader.close()
