"""The Settings page: each setting with its words, and the engine's line and restart."""

from __future__ import annotations

import logging
import platform
import time
from pathlib import Path
from typing import Any

from msgspec import ValidationError
from PySide6.QtCore import QObject, Signal, qVersion

from app.events import EngineChanged, ModelsChanged, SettingsChanged
from app.files import folder_problem
from app.jobs import Result
from models.errors import AtelierError, InvalidInputError
from ui.i18n import tr
from ui.viewmodels import desktop
from ui.viewmodels.ports import CorePort
from ui.viewmodels.words import EngineView, engine_view, error_view

log = logging.getLogger(__name__)


class SettingsVM(QObject):
    """``changed`` names the setting; ``problem`` is a sentence about the last one that was refused."""

    changed = Signal(str)
    engine_changed = Signal()
    problem = Signal(str, str)

    def __init__(self, core: CorePort, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._core = core
        bus = core.events
        self._ends = [
            bus.subscribe(SettingsChanged, self._settings_changed),
            bus.subscribe(EngineChanged, lambda _: self.engine_changed.emit()),
            bus.subscribe(ModelsChanged, lambda _: self.changed.emit("model_folders")),
        ]

    def close(self) -> None:
        for end in self._ends:
            end()

    def value(self, name: str) -> Any:
        return getattr(self._core.settings.value, name)

    def change(self, name: str, value: Any) -> bool:
        """False when the value was refused or could not be saved; ``problem`` says why."""
        try:
            self._core.settings.change(**{name: value})
        except ValidationError:
            self.problem.emit(name, tr("This value cannot be used."))
            return False
        except OSError as error:
            self.problem.emit(name, tr("The settings could not be saved: {error}", error=error.strerror or str(error)))
            return False
        self.problem.emit(name, "")
        return True

    def _settings_changed(self, event: SettingsChanged) -> None:
        for name in event.names:
            self.changed.emit(name)

    # choices

    def devices(self) -> list[tuple[str, str]]:
        """Values and words for the device setting: automatic, what the engine found, the processor."""
        choices = [("auto", tr("Automatic"))]
        device = self._core.engine.status.device
        if device is not None and device.torch_device != "cpu":
            choices.append((device.torch_device, device.name or device.torch_device))
        choices.append(("cpu", tr("Processor (CPU)")))
        now = self.value("device")
        if all(value != now for value, _ in choices):
            choices.append((now, now))
        return choices

    def pictures_folder(self) -> str:
        return self.value("pictures_folder") or str(self._core.paths.pictures)

    def set_pictures_folder(self, folder: str) -> bool:
        """Checked by writing into it: an unusable folder is told now, not when a picture is lost."""
        folder = folder.strip()
        if folder:
            path = Path(folder).expanduser()
            if not path.is_absolute():
                self.problem.emit("pictures_folder", tr("Give the whole path of a folder."))
                return False
            reason = folder_problem(path)
            if reason is not None:
                self.problem.emit("pictures_folder", tr("Atelier cannot write there: {reason}.", reason=reason))
                return False
            if path == self._core.paths.pictures:
                folder = ""
        return self.change("pictures_folder", folder)

    def set_export_name(self, pattern: str) -> bool:
        """An empty pattern is the usual one."""
        from app.export import DEFAULT_NAME, Export

        pattern = pattern.strip() or DEFAULT_NAME
        try:
            Export(name=pattern).check()
        except InvalidInputError as error:
            self.problem.emit("export_name", tr(error.info.problems[0].sentence))
            return False
        return self.change("export_name", pattern)

    def name_example(self) -> str:
        """What a picture made now would be called."""
        from app.export import file_name

        made = Result("", "", "/picture.png", time.time(), "pocket", "Pocket", tr("red apple"), 7, 512, 512)
        return tr("For example: {name}", name=f"{file_name(self.value('export_name'), made, 1)}.png")

    def open_pictures(self) -> None:
        desktop.open_folder(self.pictures_folder())

    def folders(self) -> tuple[str, ...]:
        return tuple(self.value("model_folders"))

    def add_folder(self, folder: str) -> bool:
        try:
            self._core.models.add_folder(Path(folder))
        except AtelierError as error:
            view = error_view(error.info)
            self.problem.emit("model_folders", f"{view.sentence} {view.advice}".strip())
            return False
        except OSError as error:
            self.problem.emit("model_folders", str(error))
            return False
        self.problem.emit("model_folders", "")
        return True

    def remove_folder(self, folder: str) -> None:
        self._core.models.remove_folder(folder)
        self.problem.emit("model_folders", "")

    # the engine and the program

    def engine(self) -> EngineView:
        return engine_view(self._core.engine.status)

    def restart_engine(self) -> None:
        self._core.engine.restart()

    def open_logs(self) -> None:
        desktop.open_folder(str(self._core.paths.logs))

    def about(self) -> list[tuple[str, str]]:
        """Name and value of each line about the program itself."""
        from app.core import version

        return [
            (tr("Atelier"), version()),
            (tr("Licence"), "Apache-2.0"),
            (tr("Python and Qt"), f"{platform.python_version()} · {qVersion()}"),
            (tr("Font and icons"), tr("Inter (OFL 1.1), Lucide (ISC)")),
        ]
