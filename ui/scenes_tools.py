"""The tools for one picture as scenes for ``ui.screenshots``: their dialogs, with and without something to run."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtCore import QCoreApplication

from app.events import ModelsChanged
from app.weights import AddOn
from models import refine, tools, ways
from models.box import BoxSchema
from models.card import ModelCard, ModelRef
from ui.demo import DemoCore, DemoEntry, full_schema
from ui.shell import MainWindow
from ui.viewmodels.tools import CUTOUT, DESCRIBE, DETAILS, FINER, UPSCALE, Described
from ui.views.tool_dialog import DescribedDialog

Play = Callable[[DemoCore, MainWindow], None]


def _settle(seconds: float = 0.4) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QCoreApplication.processEvents()
        time.sleep(0.005)


def tool(key: str, name: str, kind: str, path: str = "model.safetensors") -> DemoEntry:
    """An entry of ``Models.tools``."""
    made = tools.TOOLS[kind]
    return DemoEntry(ModelCard(ModelRef(key, name, made.runner, path)), made.schema, fit="fast")


def stock(core: DemoCore) -> None:
    """An upscaler, a cutter, a captioner and a detector on this computer."""
    lanczos = tools.BUILT_IN["lanczos"]
    core.models.own_tools = [
        DemoEntry(ModelCard(ModelRef("lanczos", lanczos.action, lanczos.runner)), lanczos.schema, fit="fast"),
        tool("realesrgan", "Real-ESRGAN x4", "upscaler"),
        tool("birefnet", "BiRefNet lite", "background-removal"),
        tool("florence", "Florence-2 base", "caption"),
    ]
    schema = BoxSchema((*full_schema().inputs, *refine.specs(ways.taking("StableDiffusionPipeline"))))
    ref = ModelRef("sd", "Stable Diffusion 1.5", "diffusers")
    core.models.all.append(DemoEntry(ModelCard(ref, "The one everybody knows", "OpenRAIL-M"), schema, fit="fast"))
    core.events.emit(ModelsChanged())
    core.models.own_addons = [AddOn("owl", "OWLv2 base", "detection", "owl", "any")]


def _some(core: DemoCore, window: MainWindow, stocked: bool = True) -> None:
    core.ready()
    core.keep("fox", "a fox reading a newspaper", 3, 768, 512)
    window.workspace.recent.refresh()
    window.workspace.canvas.show_result("fox")
    if stocked:
        stock(core)
        window.workspace.create.select("sd")
    _settle()


def _dialog(kind: str, stocked: bool = True) -> Play:
    def play(core: DemoCore, window: MainWindow) -> None:
        _some(core, window, stocked)
        window.create_page.open_tool(kind, "fox")
        _settle()

    return play


def menu(core: DemoCore, window: MainWindow) -> None:
    _some(core, window)
    panel = window.create_page.canvas
    panel.picture_menu("fox").popup(panel.mapToGlobal(panel.rect().center()))
    _settle()


def form(core: DemoCore, window: MainWindow) -> None:
    """The part of the form for a second pass, enlarging and details."""
    _some(core, window)
    window.create_page.form.form.open_section("refine")
    _settle()
    area = window.create_page.form._scroll
    area.verticalScrollBar().setValue(area.verticalScrollBar().maximum())
    _settle()


def described(core: DemoCore, window: MainWindow) -> None:
    _some(core, window)
    words = "A fox in round glasses sits in an armchair and reads a newspaper by the light of a lamp, warm colours."
    said = Described(words, "fox.png", "Florence-2 base")
    DescribedDialog(window.workspace.tools, said, window.create_page).show()
    _settle()


SCENES: tuple[tuple[str, Play], ...] = (
    ("tool-menu", menu), ("tool-form", form), ("tool-upscale", _dialog(UPSCALE)), ("tool-finer", _dialog(FINER)),
    ("tool-details", _dialog(DETAILS)), ("tool-cutout", _dialog(CUTOUT)), ("tool-describe", _dialog(DESCRIBE)),
    ("tool-none", _dialog(CUTOUT, stocked=False)), ("tool-described", described),
)  # fmt: skip
