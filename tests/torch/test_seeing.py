"""The captioners and detectors that the catalog names, by tiny models of their classes, on the code that runs them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tiny_runs import Ear
from tiny_seeing import florence, grounding_dino, smolvlm

from models.card import AddonRef, ModelRef
from models.errors import AtelierError, ErrorCode
from models.planning import Plan
from models.recognise import helper_kind
from models.runners import caption, detect
from models.runners.caption import CaptionKind
from models.tools import CAPTION


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.new("RGB", (64, 48), (60, 90, 200)).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def captioner(folder: Path) -> Any:
    assert helper_kind(folder) == "caption"
    return CaptionKind().load(ModelRef("c", "Captioner", "caption", str(folder)), Plan("cpu"), Ear(), folder)


@pytest.mark.parametrize("length", ["short", "detailed"])
def test_florence_describes_a_picture_in_words_alone(length: str, tmp_path: Path, photo: Path) -> None:
    ear = Ear()
    values = CAPTION.validate({"image": str(photo), "length": length})
    said = captioner(florence(tmp_path / "florence")).run(values, 0, tmp_path / "keep", ear).text
    assert said
    assert "<" not in said
    assert ear.steps[-1][0] == ear.steps[-1][1]


def test_places_in_what_florence_says_are_left_out() -> None:
    said = "</s><s>a red car<loc_52><loc_333><loc_932><loc_774> on <poly> grass</s><pad>"
    assert caption._tidied(said) == "a red car on grass"
    assert caption._tidied("5 < 7 and <3") == "5 < 7 and <3"


def test_smolvlm_answers_without_the_question(tmp_path: Path, photo: Path) -> None:
    model = captioner(smolvlm(tmp_path / "smolvlm"))
    for question in ("", "a cat on blue ground ?"):
        values = CAPTION.validate({"image": str(photo), "length": "short", "question": question})
        said = model.run(values, 0, tmp_path / "keep", Ear()).text
        assert said
        assert not said.startswith("a cat on blue")
        assert "<" not in said


def test_a_captioner_without_its_tokenizer_is_incomplete(tmp_path: Path) -> None:
    folder = smolvlm(tmp_path / "smolvlm")
    for file in folder.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(AtelierError) as caught:
        captioner(folder)
    assert caught.value.code is ErrorCode.MODEL_INCOMPLETE


def test_grounding_dino_finds_what_is_named(tmp_path: Path, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = grounding_dino(tmp_path / "dino")
    assert helper_kind(folder) == "detection"
    monkeypatch.setattr(detect, "_distinct", lambda found, size: found)  # at random they are small
    image = Image.open(photo).convert("RGB")
    found = detect.find(AddonRef("d", "DINO", "detection", str(folder)), image, ("cat", "Red hand"), "cpu", Ear())
    assert found
    assert {each.label for each in found} <= {"cat", "Red hand"}


def test_a_piece_of_the_question_is_taken_for_what_was_asked() -> None:
    what = ("cat", "red hand")
    assert [detect._asked(each, what) for each in ("red hand . [SEP]", "hand", "cat .", "")] == [
        "red hand", "red hand", "cat", "cat",
    ]  # fmt: skip
