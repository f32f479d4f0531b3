"""The states of the prompt and of the window of wildcards, styles and presets, as scenes for ``ui.screenshots``."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtCore import QCoreApplication, QPoint, Qt
from PySide6.QtGui import QTextCursor

from app.events import ModelsChanged
from app.paths import ASSETS
from models.card import ModelCard, ModelRef
from ui.demo import DemoCore, DemoEntry, full_schema
from ui.shell import MainWindow
from ui.views.prompt_manager import PromptManager
from ui.widgets.prompt_edit import PromptEdit

Play = Callable[[DemoCore, MainWindow], None]
PROMPT = "a {red|blue|3::violet} lighthouse (on a cliff:1.3) __time__, [people], warm __lite__ <lora:ink:0.8>, (film"


def _settle(until: Callable[[], bool] = lambda: False, seconds: float = 1.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not until():
        QCoreApplication.processEvents()
        time.sleep(0.005)


def _some(core: DemoCore, window: MainWindow) -> None:
    core.ready()
    names = ("a lighthouse on a cliff at dusk, warm light in the windows, film photograph", "a fox reading a newspaper")
    for number, name in enumerate(names):
        core.keep(f"old{number}", name, number, 768, 512)
    window.workspace.recent.refresh()
    ref = ModelRef("sd", "Stable Diffusion 1.5", "diffusers", str(ASSETS / "pocket"))
    card = ModelCard(ref, "The one everybody knows", "OpenRAIL-M", pipeline="StableDiffusionPipeline")
    core.models.all.append(DemoEntry(card, full_schema(), fit="fast"))
    core.events.emit(ModelsChanged())
    window.workspace.create.select("sd")
    prompts = window.workspace.prompts
    prompts.refresh()
    _settle(lambda: bool(prompts.styles))


def _edit(window: MainWindow) -> PromptEdit:
    found = window.findChild(PromptEdit, "create.prompt")
    assert isinstance(found, PromptEdit)
    return found


def syntax(core: DemoCore, window: MainWindow) -> None:
    """Weights, alternatives, wildcards, a bracket without a partner, two styles."""
    _some(core, window)
    window.workspace.create.set_values({"prompt": PROMPT})
    window.workspace.create.set_styles(["Watercolour", "Black and white"])
    _settle(seconds=0.4)


def completing(core: DemoCore, window: MainWindow) -> None:
    _some(core, window)
    window.workspace.create.set_values({"prompt": "a lighthouse in __"})
    edit = _edit(window)
    edit.setFocus(Qt.FocusReason.OtherFocusReason)
    edit.moveCursor(QTextCursor.MoveOperation.End)
    edit.offer(asked=True)
    _settle(seconds=0.2)


def examples(core: DemoCore, window: MainWindow) -> None:
    _some(core, window)
    window.workspace.create.set_values({"prompt": "a {red|blue|violet} lighthouse in __place__, __light__", "seed": 4})
    tools = window.create_page.prompts
    edit = _edit(window)
    tools.examples.open_for(edit.toPlainText(), 4, edit.mapToGlobal(QPoint(60, edit.height())))
    _settle(lambda: tools.examples.list.count() > 0)


def menu(core: DemoCore, window: MainWindow) -> None:
    _some(core, window)
    window.workspace.create.set_values({"prompt": "a lighthouse on a cliff at dusk"})
    window.create_page.prompts.open_styles(_edit(window).mapToGlobal(QPoint(180, 0)))
    _settle(seconds=0.2)


def _manager(window: MainWindow, page: str) -> PromptManager:
    tools = window.create_page.prompts
    tools.manage(page)
    manager = tools.manager
    assert manager is not None
    _settle(lambda: manager.pane().list.count() > 0)
    _settle(seconds=0.2)
    return manager


def wildcards(core: DemoCore, window: MainWindow) -> None:
    _some(core, window)
    core.prompting.wildcards.save("birds/small", "wren\n3::robin\n# rare ones\ngoldcrest\nfirecrest\n")
    manager = _manager(window, "wildcards")
    core.prompting.wildcards.save("old", "one\n")
    manager.wildcards.load()
    _settle(lambda: manager.wildcards.list.count() > 7)


def styles(core: DemoCore, window: MainWindow) -> None:
    _some(core, window)
    _manager(window, "styles")


def presets(core: DemoCore, window: MainWindow) -> None:
    _some(core, window)
    core.prompting.presets.save("Quick sketch", "klein", {"steps": 4, "width": 768, "height": 512}, ["Ink drawing"])
    manager = _manager(window, "presets")
    manager.presets.remove.click()
    _settle(lambda: bool(manager.told()))


def earlier(core: DemoCore, window: MainWindow) -> None:
    _some(core, window)
    _manager(window, "history")


SCENES: tuple[tuple[str, Play, tuple[int, int]], ...] = (
    ("prompt-syntax", syntax, (1280, 800)),
    ("prompt-completing", completing, (1280, 800)),
    ("prompt-examples", examples, (1280, 800)),
    ("prompt-menu", menu, (1280, 800)),
    ("prompt-wildcards", wildcards, (1280, 800)),
    ("prompt-styles", styles, (1280, 800)),
    ("prompt-presets", presets, (1280, 800)),
    ("prompt-earlier", earlier, (1280, 800)),
)
