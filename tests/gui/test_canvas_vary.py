"""Models without words: a picture and Generate are all they need, in the window as in the engine."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from PySide6.QtCore import Qt

from app.events import ModelsChanged
from models import schemas
from models.card import ModelCard, ModelRef
from tests.gui.canvas import picture, take
from tests.gui.helpers import find, problem
from ui.demo import DemoEntry

VARY = "StableDiffusionImageVariationPipeline"


@pytest.fixture
def wordless(qtbot, window, core):
    card = ModelCard(ModelRef("vary", "Image Variation", "diffusers"), "Pictures like another", "MIT", pipeline=VARY)
    core.models.all.append(DemoEntry(card, schemas.schema_for(VARY, {}), fit="fast"))
    core.events.emit(ModelsChanged())
    window.workspace.create.select("vary")
    return window


def test_there_is_no_prompt_and_a_missing_picture_is_named(qtbot, wordless, core) -> None:
    assert wordless.create_page.form.form.field("prompt") is None
    qtbot.mouseClick(find(wordless, "create.generate"), Qt.MouseButton.LeftButton)
    assert core.queue.jobs() == []
    assert "missing" in problem(wordless, "image")


def test_a_picture_and_generate_are_enough(qtbot, wordless, core, tmp_path) -> None:
    path = picture(tmp_path)
    wordless.workspace.create.set_values({"image": path})
    wordless.workspace.create.generate()  # while it is still being opened
    qtbot.waitUntil(lambda: len(core.queue.jobs()) == 1)
    job = core.queue.jobs()[0]
    assert job.inputs["image"] == path
    assert "prompt" not in job.inputs
    core.begin(job.id)
    core.finish(job.id)
    canvas = wordless.workspace.canvas
    qtbot.waitUntil(lambda: canvas.result() is not None)
    assert canvas.title(), "a result without words has a name"
    assert "mine" in canvas.title()


def test_no_mask_and_no_edges_are_offered_and_why(qtbot, wordless, tmp_path) -> None:
    take(qtbot, wordless, picture(tmp_path))
    work = wordless.create_page.canvas.work
    assert work.tools() == ("",)
    assert "pictures like the one" in wordless.workspace.work.why_not("mask")
    assert "No ControlNets" in wordless.workspace.work.why_not("controls")


def test_the_prompt_of_another_model_is_kept_for_it(qtbot, wordless) -> None:
    create = wordless.workspace.create
    create.select("klein")
    create.set_value("prompt", "a fox")
    create.select("vary")
    assert "prompt" not in create.values()
    create.select("klein")
    assert create.values()["prompt"] == "a fox"


@pytest.mark.worker
@pytest.mark.torch
@pytest.mark.timeout(600)
def test_the_engine_varies_a_picture_that_was_opened_in_the_window(
    qtbot, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "torch"))
    import tiny_pictures

    from ui import open_window

    folder = tiny_pictures.build("sd_vary", tmp_path / "vary")
    (home / "settings").mkdir(parents=True)
    (home / "settings" / "settings.toml").write_text("previews = true\n")
    window = open_window()
    qtbot.waitExposed(window)
    create = window.workspace.create
    qtbot.waitUntil(lambda: bool(create.current), timeout=30_000)
    assert create.add_folder(str(folder))
    qtbot.waitUntil(lambda: create.has_input("image") and not create.has_input("prompt"), timeout=30_000)
    path = tmp_path / "mine.png"
    Image.effect_noise((96, 64), 60).convert("RGB").save(path)
    take(qtbot, window, str(path))
    qtbot.mouseClick(find(window, "create.generate"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.workspace.canvas.result() is not None, timeout=300_000)
    result = window.workspace.canvas.result()
    assert result.recipe["inputs"]["image"] == str(path)
    assert result.width > result.height
    window.close()
