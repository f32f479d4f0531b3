"""LoRAs, embeddings and the fast switch in the window, as scenes for ``ui.screenshots``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from app.events import ModelsChanged
from app.weights import AddOn
from models import adapters
from models.pipelines import row
from ui.demo import DemoCore
from ui.scenes_control import settle
from ui.shell import MainWindow
from ui.widgets.lora_field import LoraField

Play = Callable[[DemoCore, MainWindow], None]
PROMPT = "a lighthouse on a cliff at dusk, warm light in the windows, film photograph"
LONG = "ultra-detailed-watercolour-and-ink-illustration-style-sdxl-v2.1-fp16-final-fixed-by-a-community"


def addon(name: str, family: str = "sdxl", trigger: tuple[str, ...] = (), kind: str = "lora", **more: Any) -> AddOn:
    path = f"/models/{name}.safetensors"
    return AddOn(path, name, kind, path, family, trigger=trigger, size_bytes=171_000_000, **more)


ADDONS = [
    addon("Ink and paper", trigger=("ink drawing", "paper texture")),
    addon(LONG, trigger=("wtrclr", "in the style of an old travel journal")),
    addon("Film grain 1973"),
    addon("Portrait light", "flux1"),
    addon("Old trainer", ""),
    addon("easy-negative", kind="embedding"),
    addon("SDXL VAE fp16 fix", kind="vae"),
]


def with_loras(core: DemoCore, addons: list[AddOn]) -> None:
    """The chosen model takes LoRAs, embeddings and another VAE."""
    old = next(entry for entry in core.models.all if entry.card.id == "klein")
    found = row("StableDiffusionXLPipeline")
    assert old.schema is not None
    assert found is not None
    specs = adapters.specs(found, {"vae": {"_class_name": "AutoencoderKL"}})
    inputs = [spec for spec in old.schema.inputs if spec.name != "clip_skip"]
    core.models.all[core.models.all.index(old)] = replace(
        old, schema=replace(old.schema, inputs=(*inputs, *specs)), family="sdxl"
    )
    core.models.own_addons = addons
    core.events.emit(ModelsChanged())


def _form(core: DemoCore, window: MainWindow, values: dict[str, Any]) -> None:
    core.ready()
    core.keep("old0", "fox reading a newspaper", 11, 768, 512)
    window.workspace.recent.refresh()
    window.workspace.create.schema_changed.emit()
    window.workspace.create.set_values({"prompt": PROMPT, **values})
    form = window.create_page.form
    form.form.open_section("loras")
    settle(seconds=0.3)
    form.show_part("create.loras")
    settle(seconds=0.2)


def cards(core: DemoCore, window: MainWindow) -> None:
    with_loras(core, ADDONS)
    ink, long = ADDONS[0].name, ADDONS[1].name
    window.create_page.form.form.services.drafts["loras"] = [
        {"name": ink, "weight": 0.8},
        {"name": long, "weight": -0.35, "on": False},
        {"name": "a LoRA that was removed", "weight": 1.0},
    ]
    values = {
        "loras": [{"name": ink, "weight": 0.8}, {"name": "a LoRA that was removed", "weight": 1.0}],
        "embeddings": ["easy-negative"],
    }
    _form(core, window, values)


def empty(core: DemoCore, window: MainWindow) -> None:
    with_loras(core, [])
    _form(core, window, {})


def picker(core: DemoCore, window: MainWindow) -> None:
    with_loras(core, ADDONS)
    _form(core, window, {"loras": [{"name": ADDONS[0].name, "weight": 1.0}]})
    field = window.create_page.form.form.field("loras")
    assert isinstance(field, LoraField)
    field.add_button.click()
    settle(seconds=0.3)


SCENES: tuple[tuple[str, Play], ...] = (
    ("loras", cards),
    ("loras-empty", empty),
    ("loras-picker", picker),
)
