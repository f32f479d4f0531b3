"""What was dropped on Create becomes part of the form as soon as it is known to be on this computer: an add-on joins
the others, a model is chosen. Where it does not go with the chosen model, that is said."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from app.events import ModelsChanged
from models.recognise import FileKind
from ui.i18n import plural, tr
from ui.viewmodels.addons import AddonView
from ui.viewmodels.create import CreateVM
from ui.viewmodels.imports import ImportsVM
from ui.viewmodels.ports import CorePort

IN_FORMS = (FileKind.LORA, FileKind.EMBEDDING, FileKind.VAE, FileKind.CONTROLNET, FileKind.IP_ADAPTER)
"""Add-ons that a form can begin with at once; an upscaler waits until something is enlarged."""


class TakenVM(QObject):
    """``ready`` carries the input an add-on is for, and the add-on."""

    ready = Signal(str, object)
    noticed = Signal(str)

    def __init__(self, core: CorePort, create: CreateVM, imports: ImportsVM, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._core, self._create = core, create
        self._imports = imports
        self._waiting: list[str] = []
        self._taken: list[str] = []
        self._told: list[str] = []
        imports.to_use.connect(self._added)
        imports.changed.connect(self._say)
        self._end = core.events.subscribe(ModelsChanged, lambda _: self._look())

    def close(self) -> None:
        self._end()

    def _added(self, key: str) -> None:
        self._waiting.append(key)
        self._look()

    def _look(self) -> None:
        """Models are looked for on another thread, so what was added may turn up only later."""
        if not self._waiting:
            return
        models = {entry.card.id: entry for entry in self._core.models.entries()}
        addons = {key: view for view in self._create.addons(IN_FORMS) for key in (view.id, view.path)}
        for key in list(self._waiting):
            if key in models:
                self._waiting.remove(key)
                if models[key].problem is None:
                    self._create.select(key)
                    self._told.append(tr("“{name}” is chosen.", name=models[key].card.name))
            elif key in addons:
                self._waiting.remove(key)
                self._use(addons[key])
        self._say()

    def _say(self) -> None:
        """What became of all of them, once the last is there."""
        if self._waiting or self._imports.busy or not (self._taken or self._told):
            return
        taken, told = self._taken, self._told
        self._taken, self._told = [], []
        one, many = "“{name}” is in the form now.", "{n} add-ons are in the form now."
        if taken:
            told = [plural(one, many, len(taken), name=taken[0]), *told]
        self.noticed.emit(" ".join(told))

    def _use(self, addon: AddonView) -> None:
        name = self._input_for(addon.kind)
        if name and addon.fits:
            self.ready.emit(name, addon)
            self._taken.append(addon.name)
            return
        entry = self._create.entry()
        model = entry.card.name if entry is not None else ""
        why = addon.problem if name else tr("{model} takes none of its kind", model=model)
        why = why.rstrip(".")
        self._told.append(tr("“{name}” was added, but not to the form: {why}.", name=addon.name, why=why))

    def _input_for(self, kind: str) -> str:
        box = self._create.box()
        found = (spec.name for spec in box.inputs if kind in spec.about.addons) if box is not None else ()
        return next((name for name in found if self._create.has_input(name)), "")
