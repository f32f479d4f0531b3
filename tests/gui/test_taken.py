"""Weights dropped on Create: they are added, and what goes with the chosen model joins the form at once."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from PySide6.QtWidgets import QAbstractButton

from app.events import ModelsChanged
from app.weights import AddOn
from models.card import ModelRef
from tests.gui.helpers import find
from tests.gui.test_models_page import dialog, drop, made, press
from ui.scenes_loras import with_loras


@pytest.fixture
def window(window, core):
    """Its model takes LoRAs, embeddings and another VAE; none is here."""
    with_loras(core, [])
    window.workspace.create.schema_changed.emit()
    return window


def loras(window) -> list:
    return window.workspace.create.values().get("loras") or []


def add_some(qtbot, window, core, tmp_path, name: str, fits: str = "sdxl") -> AddOn:
    """Drop a LoRA's file on Create and say yes; the add-on is found a little later."""
    (path,) = made(tmp_path, name)
    drop(window, path)
    assert window.page == "create", "what is made next is here"
    press(qtbot, dialog(window, "models.import"), "models.import.yes")
    return AddOn(str(path), path.stem, "lora", str(path), fits, title="Ink and wash", trigger=("ink wash",))


def test_a_lora_dropped_on_create_joins_the_form(qtbot, window, core, tmp_path) -> None:
    addon = add_some(qtbot, window, core, tmp_path, "my-lora.safetensors")
    assert loras(window) == [], "not looked at yet"
    core.models.own_addons = [addon]
    core.events.emit(ModelsChanged())
    assert loras(window) == [{"name": "Ink and wash", "weight": 1.0}]
    qtbot.waitUntil(lambda: find(window, "create.loras.1.word.1", QAbstractButton).isVisible())
    assert window.create_page.canvas.toast.text() == "“Ink and wash” is in the form now."
    core.events.emit(ModelsChanged())
    add_some(qtbot, window, core, tmp_path, "my-lora.safetensors")
    assert len(loras(window)) == 1, "once is enough"


def test_one_that_does_not_go_with_the_model_is_only_added(qtbot, window, core, tmp_path) -> None:
    core.models.own_addons = [add_some(qtbot, window, core, tmp_path, "my-lora.safetensors", "flux1")]
    core.events.emit(ModelsChanged())
    assert loras(window) == []
    said = window.create_page.canvas.toast.text()
    assert said == "“Ink and wash” was added, but not to the form: Made for FLUX.1."


def test_what_is_added_on_the_models_page_leaves_the_form_alone(qtbot, window, core, tmp_path) -> None:
    window.show_page("models")
    (path,) = made(tmp_path, "my-lora.safetensors")
    drop(window, path)
    press(qtbot, dialog(window, "models.import"), "models.import.yes")
    core.models.own_addons = [AddOn(str(path), "my-lora", "lora", str(path), "sdxl")]
    core.events.emit(ModelsChanged())
    assert loras(window) == []


def test_a_vae_and_an_embedding_dropped_on_create_are_chosen(qtbot, window, core, tmp_path) -> None:
    taken = window.workspace.taken
    found = [AddOn(f"/x/{kind}", kind, kind, f"/x/{kind}", "sdxl") for kind in ("vae", "embedding")]
    core.models.own_addons = found
    core.events.emit(ModelsChanged())
    for addon in found:
        taken._added(addon.id)
    values = window.workspace.create.values()
    assert (values["vae"], values["embeddings"]) == ("/x/vae", ["embedding"])


def test_a_model_dropped_on_create_is_chosen(qtbot, window, core, tmp_path) -> None:
    (path,) = made(tmp_path, "model.safetensors")
    drop(window, path)
    assert window.page == "create"
    press(qtbot, dialog(window, "models.import"), "models.import.yes")
    klein = next(entry for entry in core.models.all if entry.card.id == "klein")
    card = msgspec.structs.replace(klein.card, ref=ModelRef(str(path), "Mine", "diffusion"))
    core.models.all.append(replace(klein, card=card))
    core.events.emit(ModelsChanged())
    assert window.workspace.create.current == str(path)
    assert window.create_page.canvas.toast.text() == "“Mine” is chosen."


def test_a_folder_with_a_part_of_a_model_is_looked_at_first(window, core, tmp_path) -> None:
    folder = tmp_path / "net"
    folder.mkdir()
    drop(window, folder)
    assert window.page == "create"
    assert dialog(window, "models.import").isVisible()


def test_it_lights_up_while_weights_are_dragged_over_it(window, core) -> None:
    window._light(True, "weights")
    assert find(window, "create.drop").isVisible()
    assert not window.create_page.canvas.drop.isVisible()
    window._light(False)
    assert not find(window, "create.drop").isVisible()


def test_several_dropped_at_once_are_one_notice_and_the_last_is_in_sight(qtbot, window, core, tmp_path) -> None:
    window.resize(1280, 700)
    paths = made(tmp_path, "one-lora.safetensors", "two-lora.safetensors", "other-lora.safetensors")
    drop(window, *paths)
    press(qtbot, dialog(window, "models.import"), "models.import.yes")
    families = ("sdxl", "sdxl", "flux1")
    core.models.own_addons = [
        AddOn(str(path), path.stem, "lora", str(path), family) for path, family in zip(paths, families, strict=True)
    ]
    core.events.emit(ModelsChanged())
    assert [item["name"] for item in loras(window)] == ["one-lora", "two-lora"]
    said = "2 add-ons are in the form now. “other-lora” was added, but not to the form: Made for FLUX.1."
    assert window.create_page.canvas.toast.text() == said
    card = find(window, "create.loras.2")
    shown = window.create_page.form._scroll.viewport()
    qtbot.waitUntil(lambda: shown.rect().contains(card.mapTo(shown, card.rect().bottomLeft())))
