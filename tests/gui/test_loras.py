"""LoRAs in the form, by the names that tools of assistance see."""

from __future__ import annotations

import msgspec
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QPushButton

from app.events import OffersChanged
from app.weights import Status
from tests.gui.helpers import find, submit
from ui.scenes_loras import ADDONS, LONG, with_loras
from ui.widgets.addon_picker import AddonPicker, Role
from ui.widgets.controls import Switch
from ui.widgets.item_card import Card
from ui.widgets.lora_field import AddonField, EmbeddingsField, LoraField


def opened_form(core, window) -> LoraField:
    with_loras(core, ADDONS)
    window.workspace.create.schema_changed.emit()
    form = window.create_page.form.form
    form.open_section("loras")
    field = form.field("loras")
    assert isinstance(field, LoraField)
    return field


def test_a_lora_is_found_by_typing_weighed_and_sent(qtbot, core, window) -> None:
    field = opened_form(core, window)
    qtbot.mouseClick(field.add_button, Qt.MouseButton.LeftButton)
    picker = find(window, "create.loras.picker", AddonPicker)
    names = [picker.list.model().index(n, 0).data() for n in range(picker.list.model().rowCount())]
    assert names[:3] == ["Film grain 1973", "Ink and paper", LONG], "what fits, by name"
    assert names[-1] == "Portrait light", "made for another family"
    qtbot.keyClicks(picker.search, "paper ink")
    qtbot.keyClick(picker.search, Qt.Key.Key_Return)
    assert field.value() == [{"name": "Ink and paper", "weight": 1.0}]
    card = find(window, "create.loras.1", Card)
    card.weight.spin.setValue(-0.4)  # type: ignore[attr-defined]
    job = submit(core, window, clip_skip=1)
    assert core.queue.get(job).inputs["loras"] == [{"name": "Ink and paper", "weight": -0.4}]


def test_what_is_in_the_form_already_is_marked_in_the_list(qtbot, core, window) -> None:
    field = opened_form(core, window)
    window.workspace.create.set_values({"loras": [{"name": "Ink and paper", "weight": 0.3}]})
    field.add_button.click()
    picker = find(window, "create.loras.picker", AddonPicker)
    rows = [picker.list.model().index(n, 0) for n in range(picker.list.model().rowCount())]
    assert [row.data() for row in rows if row.data(Role.TAKEN)] == ["Ink and paper"]
    picker.close()


def test_one_for_another_family_cannot_be_chosen(qtbot, core, window) -> None:
    field = opened_form(core, window)
    field.add_button.click()
    picker = find(window, "create.loras.picker", AddonPicker)
    qtbot.keyClicks(picker.search, "portrait")
    qtbot.keyClick(picker.search, Qt.Key.Key_Return)
    assert field.value() == []
    assert picker.isVisible()
    picker.close()


def test_trigger_words_go_into_the_prompt_once(qtbot, core, window) -> None:
    field = opened_form(core, window)
    create = window.workspace.create
    create.set_values({"prompt": "a fox", "loras": [{"name": "Ink and paper", "weight": 0.8}]})
    word = find(window, "create.loras.1.word.1", QPushButton)
    word.click()
    word.click()
    assert create.values()["prompt"] == "a fox, ink drawing"
    assert field.summary() == "Ink and paper 0.8"


def test_one_switched_off_stays_and_does_nothing(core, window) -> None:
    field = opened_form(core, window)
    window.workspace.create.set_values({"loras": [{"name": "Ink and paper", "weight": 0.3}]})
    find(window, "create.loras.1.on", Switch).setChecked(False)
    assert field.value() == []
    assert len(field.cards) == 1
    find(window, "create.loras.1.on", Switch).setChecked(True)
    assert window.workspace.create.values()["loras"] == [{"name": "Ink and paper", "weight": 0.3}]


def test_what_a_recipe_names_and_is_not_here_is_said(core, window) -> None:
    field = opened_form(core, window)
    inputs = {"prompt": "a fox", "loras": [{"name": "gone", "weight": 0.7}], "vae": "old vae", "embeddings": ["x"]}
    window.workspace.create.use("klein", inputs)
    assert field.value() == [{"name": "gone", "weight": 0.7}]
    assert "not on this computer" in find(window, "create.loras.1.problem", QLabel).text()
    assert "not on this computer" in find(window, "create.embeddings.1.problem", QLabel).text()
    vae = window.create_page.form.form.field("vae")
    assert isinstance(vae, AddonField)
    assert vae.value() == "old vae"
    embeddings = window.create_page.form.form.field("embeddings")
    assert isinstance(embeddings, EmbeddingsField)
    assert embeddings.value() == ["x"]


def test_before_it_is_joined_to_the_window_a_field_says_what_it_was_given() -> None:
    schema = {"title": "Upscaler", "x-addons": ["upscaler"]}
    assert AddonField("upscaler", schema, "lanczos").value() == "lanczos"
    assert AddonField("upscaler", schema, "4x-sharp").value() == "4x-sharp"
    assert AddonField("vae", {"x-addons": ["vae"]}, None).value() is None


def test_with_none_here_there_is_the_way_to_get_some(core, window) -> None:
    with_loras(core, [])
    window.workspace.create.schema_changed.emit()
    window.create_page.form.form.open_section("loras")
    find(window, "create.loras.get", QPushButton).click()
    assert window.page == "models"
    assert window.workspace.models.catalog.filters.role == "lora"


def test_the_form_is_remembered_with_its_loras(core, window) -> None:
    opened_form(core, window)
    create = window.workspace.create
    create.set_values({"prompt": "a fox", "loras": [{"name": "Ink and paper", "weight": 0.8}]})
    create.remember()
    kept = window.workspace.state.table("forms")["klein"]
    assert kept["loras"] == [{"name": "Ink and paper", "weight": 0.8}]


# -- fast


def fast_offer(core, installed: bool) -> None:
    """The demo's few-step LoRA for the chosen model, with what it wants."""
    offers = core.offers.all()
    by_id = {offer.entry.id: offer for offer in offers}
    lora = by_id["hyper-klein"]
    wants = {"steps": 2, "guidance_scale": 1.0, "scheduler": "euler"}
    entry = msgspec.structs.replace(lora.entry, defaults=wants)
    here = Status.INSTALLED if installed else Status.AVAILABLE
    changed = msgspec.structs.replace(lora, entry=entry, status=here, model_id="/x/hyper" if installed else "")
    core.offers.all = lambda: [changed if offer.entry.id == "hyper-klein" else offer for offer in offers]
    core.events.emit(OffersChanged())


def fast_row(window):
    """The one of the form that is shown; those of older ones are deleted a little later."""
    return window.create_page.form._fast


def test_fast_sets_all_that_belongs_to_it_and_off_puts_it_back(qtbot, core, window) -> None:
    opened_form(core, window)
    create = window.workspace.create
    create.set_values({"steps": 17, "guidance_scale": 4.5, "loras": [{"name": "Ink and paper", "weight": 0.8}]})
    before = dict(create.values())
    fast_offer(core, installed=True)
    switch = fast_row(window).switch
    qtbot.waitUntil(lambda: switch.isVisibleTo(window))
    switch.click()
    values = create.values()
    assert (values["steps"], values["guidance_scale"]) == (2, 1.0)
    assert [item["name"] for item in values["loras"]] == ["Ink and paper", "hyper-klein"]
    assert switch.isChecked()
    switch.click()
    assert create.values() == before


def test_fast_that_is_not_here_leads_to_its_page(core, window) -> None:
    opened_form(core, window)
    fast_offer(core, installed=False)
    fast_row(window).get.click()
    assert window.page == "models"
    assert window.workspace.models.chosen == "hyper-klein"


def test_models_without_few_step_loras_have_no_switch(core, window) -> None:
    core.offers.all = lambda: [replace_fast(offer) for offer in type(core.offers).all(core.offers)]
    window.workspace.create.schema_changed.emit()
    assert fast_row(window).isHidden()


def replace_fast(offer):
    return msgspec.structs.replace(offer, entry=msgspec.structs.replace(offer.entry, fast=()))
