"""ControlNets, IP-Adapters and painted areas in the window, as scenes for ``ui.screenshots``."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from PIL import Image, ImageDraw, ImageFilter, ImageOps
from PySide6.QtCore import QCoreApplication

from app.events import ModelsChanged
from app.weights import AddOn
from models import control, maps
from models.box import BoxSchema
from models.card import ModelCard, ModelRef
from ui.demo import DemoCore, DemoEntry
from ui.demo_pictures import encoded, landscape
from ui.shell import MainWindow

Play = Callable[[DemoCore, MainWindow], None]
PROMPT = "a lighthouse on a cliff at dusk, warm light in the windows, film photograph"
CANNY, UNION, ADAPTER = "ControlNet Canny", "ControlNet Union ProMax", "IP-Adapter Plus"
LONG = "control_v11f1p_sd15_depth_a_very_long_file_name_of_a_community_fine_tune_fp16-v2.1-final"


def settle(until: Callable[[], bool] = lambda: False, seconds: float = 4.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not until():
        QCoreApplication.processEvents()
        time.sleep(0.005)


def addon(name: str, kind: str = "controlnet", family: str = "sdxl", variant: str = "") -> AddOn:
    return AddOn(f"/models/{name}.safetensors", name, kind, f"/models/{name}.safetensors", family, variant,
                 size_bytes=2_500_000_000)  # fmt: skip


ADDONS = [
    addon(CANNY),
    addon(UNION, variant="union"),
    addon(LONG),
    addon("ControlNet FLUX", family="flux1"),
    addon(ADAPTER, "ip-adapter"),
]


def with_control(core: DemoCore, addons: list[AddOn] | None = None) -> None:
    """The chosen model takes ControlNets, IP-Adapters and areas; the tool that makes maps is there."""
    old = next(entry for entry in core.models.all if entry.card.id == "klein")
    assert old.schema is not None
    schema = replace(old.schema, inputs=(*old.schema.inputs, *control.specs("StableDiffusionXLPipeline")))
    core.models.all[core.models.all.index(old)] = replace(old, schema=schema, family="sdxl")
    tool = DemoEntry(ModelCard(ModelRef("maps", "Make a map", "maps")), BoxSchema(maps.specs()))
    core.models.own_tools = [tool]
    core.models.own_addons = ADDONS if addons is None else addons
    core.events.emit(ModelsChanged())


def pictures(core: DemoCore) -> tuple[str, str]:
    """A picture, and the map of its edges."""
    path, drawn = core.paths.cache / "harbour at noon.png", core.paths.cache / "edges.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(landscape(7, 768, 512)))
    with Image.open(path) as picture:
        edges = picture.convert("L").filter(ImageFilter.FIND_EDGES)
    ImageOps.autocontrast(edges.crop((2, 2, 766, 510))).resize((768, 512)).convert("RGB").save(drawn)
    return str(path), str(drawn)


def _form(core: DemoCore, window: MainWindow, values: dict[str, Any], *parts: str) -> None:
    core.ready()
    core.keep("old0", "fox reading a newspaper", 11, 768, 512)
    window.workspace.recent.refresh()
    window.workspace.create.schema_changed.emit()
    window.workspace.create.set_values({"prompt": PROMPT, **values})
    form = window.create_page.form.form
    for part in parts:
        form.open_section(part)
    settle(seconds=0.3)


def _scroll(window: MainWindow, name: str) -> None:
    window.create_page.form.show_part(name)
    settle(seconds=0.2)


def cards(core: DemoCore, window: MainWindow) -> None:
    with_control(core)
    path, drawn = pictures(core)
    window.create_page.form.form.services.drafts["controls"] = [
        {"name": CANNY, "image": drawn, "preprocessor": "", "source": path, "made": "canny", "strength": 0.8,
         "start": 0.0, "end": 0.7, "mode": "", "options": {"low_threshold": 60.0}},
        {"name": UNION, "image": "", "preprocessor": "depth", "strength": 1.0, "start": 0.0, "end": 1.0, "mode": "",
         "options": {}, "on": False},
    ]  # fmt: skip
    values = {
        "controls": [{"name": CANNY, "image": drawn, "preprocessor": "", "strength": 0.8, "start": 0.0, "end": 0.7,
                      "mode": "", "options": {"low_threshold": 60.0}}],
        "adapters": [{"name": ADAPTER, "image": path, "strength": 0.6, "start": 0.2, "end": 1.0}],
    }  # fmt: skip
    _form(core, window, values, "control")
    _scroll(window, "create.control")


def empty(core: DemoCore, window: MainWindow) -> None:
    with_control(core, [])
    _form(core, window, {}, "control", "regions")
    _scroll(window, "create.control")


def trouble(core: DemoCore, window: MainWindow) -> None:
    with_control(core)
    path, _ = pictures(core)
    values = {"controls": [{"name": LONG, "image": path, "preprocessor": "depth"}, {"name": UNION, "image": ""}]}
    _form(core, window, values, "control")
    window.create_page.form.go()
    card = window.create_page.form.form.field("controls").cards[0]  # type: ignore[union-attr]
    card._say(maps.missing("depth"))
    _scroll(window, "create.control")


def paint_map(core: DemoCore, window: MainWindow) -> None:
    with_control(core)
    _, drawn = pictures(core)
    values = {"controls": [{"name": CANNY, "image": drawn}]}
    _form(core, window, values, "control")
    overlay = window.create_page.control.overlay
    window.create_page.control.edit_map(drawn, lambda _: None)
    settle(lambda: overlay.isVisible())
    settle(seconds=0.2)
    drag(window, [(0.2, 0.3), (0.4, 0.6), (0.7, 0.35)])


def areas(core: DemoCore, window: MainWindow) -> None:
    with_control(core)
    path, _ = pictures(core)
    work = window.workspace.work
    _form(core, window, {}, "regions")
    work.take(path)
    settle(lambda: work.shown)
    masks = []
    for number, box in enumerate(((40, 60, 340, 480), (420, 40, 740, 300))):
        mask = Image.new("L", (768, 512))
        ImageDraw.Draw(mask).ellipse(box, fill=255)
        file = core.paths.cache / f"area{number}.png"
        mask.save(file)
        masks.append(str(file))
    words = ("an old lighthouse with a red roof", "storm clouds, rain in the distance")
    regions = [{"mask": mask, "prompt": each, "strength": 1.0} for mask, each in zip(masks, words, strict=True)]
    window.workspace.create.set_values({"regions": regions})
    field = window.create_page.form.form.field("regions")
    field.add({"mask": "", "prompt": "", "strength": 0.7})  # type: ignore[union-attr]
    window.create_page.control.paint(field)  # type: ignore[arg-type]
    settle(lambda: window.create_page.control.overlay.isVisible())
    _scroll(window, "create.regions")


def drag(window: MainWindow, points: list[tuple[float, float]]) -> None:
    """Draw with the left button over the picture in the painter, in parts of it."""
    from PySide6.QtCore import QEvent, QPointF, Qt
    from PySide6.QtGui import QMouseEvent

    overlay = window.create_page.control.overlay
    view, image = overlay.view, overlay.layers[0]
    places = [view.viewportTransform().map(QPointF(x * image.width(), y * image.height())) for x, y in points]
    left, none, keys = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier
    kinds = [QEvent.Type.MouseButtonPress, *[QEvent.Type.MouseMove] * (len(places) - 1)]
    for kind, at in zip(kinds, places, strict=True):
        button = left if kind is QEvent.Type.MouseButtonPress else none
        there = QPointF(view.viewport().mapToGlobal(at))
        QCoreApplication.sendEvent(view.viewport(), QMouseEvent(kind, at, there, button, left, keys))
        settle(seconds=0.01)
    at, there = places[-1], QPointF(view.viewport().mapToGlobal(places[-1]))
    release = QMouseEvent(QEvent.Type.MouseButtonRelease, at, there, left, none, keys)
    QCoreApplication.sendEvent(view.viewport(), release)
    settle(seconds=0.05)


SCENES: tuple[tuple[Any, ...], ...] = (
    ("control-cards", cards),
    ("control-empty", empty),
    ("control-trouble", trouble),
    ("control-paint-map", paint_map),
    ("control-areas", areas),
)
