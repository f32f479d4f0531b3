"""Captions, cut-outs and detectors by tiny models with random weights, on the code that runs real ones."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from tiny_helpers import _field, _tensor, blip, onnx, owlv2, yolos
from tiny_runs import Ear

from models.card import AddonRef, ModelRef
from models.errors import AtelierError, ErrorCode
from models.planning import Plan
from models.recognise import helper_kind
from models.runners import cutout, detect
from models.runners.base import CancelledRunError, Picture
from models.runners.caption import CaptionKind
from models.runners.cutout import CutoutKind
from models.tools import CAPTION, CUTOUT

CPU = Plan("cpu")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    image = Image.new("RGB", (64, 48), (60, 90, 200))
    ImageDraw.Draw(image).ellipse((16, 8, 48, 40), fill=(250, 200, 40))
    image.save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


# -- captions


def captioner(folder: Path) -> Any:
    return CaptionKind().load(ModelRef("b", "Blip", "caption", str(folder)), CPU, Ear(), folder)


def test_a_captioner_says_something_and_counts_its_words(tmp_path: Path, photo: Path) -> None:
    folder = blip(tmp_path / "blip")
    assert helper_kind(folder) == "caption"
    ear = Ear()
    said = captioner(folder).run(CAPTION.validate({"image": str(photo)}), 0, tmp_path / "keep", ear)
    assert said.text
    assert not {"[CLS]", "<s>"} & set(said.text.split())
    assert ear.steps[-1][0] == ear.steps[-1][1]
    again = captioner(folder).run(CAPTION.validate({"image": str(photo)}), 5, tmp_path / "keep", Ear())
    assert again.text == said.text


def test_a_captioner_can_be_cancelled_between_two_words(tmp_path: Path, photo: Path) -> None:
    ear = Ear(cancel_at=lambda ear: ear.checkpoints > 2)
    with pytest.raises(CancelledRunError):
        captioner(blip(tmp_path / "blip")).run(CAPTION.validate({"image": str(photo)}), 0, tmp_path / "keep", ear)


def test_helpers_that_are_broken_or_bring_code_are_refused(tmp_path: Path) -> None:
    folder = blip(tmp_path / "blip")
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:2000])
    assert refused(folder) is ErrorCode.MODEL_CORRUPT
    weights.unlink()
    assert refused(folder) is ErrorCode.MODEL_INCOMPLETE
    weights.write_bytes(whole)
    config = json.loads((folder / "config.json").read_text())
    coded = {"model_type": "stranger", "auto_map": {"AutoConfig": "code.Config"}, "architectures": ["Stranger"]}
    (folder / "config.json").write_text(json.dumps(coded))
    (folder / "code.py").write_text("raise SystemExit('it ran')")
    assert refused(folder) in (ErrorCode.MODEL_NEEDS_REMOTE_CODE, ErrorCode.MODEL_UNSUPPORTED)
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "bert"}))
    assert refused(folder) in (ErrorCode.MODEL_UNSUPPORTED, ErrorCode.MODEL_CORRUPT)


def refused(folder: Path) -> ErrorCode:
    with pytest.raises(AtelierError) as caught:
        captioner(folder)
    return caught.value.code


# -- cut-outs: a graph of one convolution, written by hand as ONNX lays it out (protobuf)


def cutter(path: Path) -> Any:
    return CutoutKind().load(ModelRef("c", "Cutter", "cutout", str(path)), CPU, Ear(), path)


def test_a_cut_out_is_opaque_where_the_subject_is(tmp_path: Path, photo: Path) -> None:
    onnx(tmp_path / "model" / "onnx" / "model.onnx")
    assert helper_kind(tmp_path / "model") == "background-removal"
    made = cutter(tmp_path / "model").run(CUTOUT.validate({"image": str(photo)}), 0, tmp_path / "keep", Ear())
    assert isinstance(made, Picture)
    assert (made.image.mode, made.image.size) == ("RGBA", (64, 48))
    alpha = np.asarray(made.image.getchannel("A"))
    assert alpha[24, 32] > 240
    assert alpha[2, 2] < 15
    assert made.image.getpixel((32, 24))[:3] == (250, 200, 40)  # type: ignore[index]


def test_what_was_clear_stays_and_hard_edges_are_hard(tmp_path: Path) -> None:
    image = Image.new("RGBA", (64, 48), (250, 200, 40, 255))
    image.paste((250, 200, 40, 0), (0, 0, 32, 48))
    mask = np.ones((16, 16), np.float32)
    alpha = np.asarray(cutout.cut(image, mask, 0.5, 0.0).getchannel("A"))
    assert alpha[:, :30].max() == 0
    assert alpha[:, 34:].min() == 255
    half = np.tile(np.linspace(0, 1, 16, dtype=np.float32), (16, 1))
    hard = np.asarray(cutout.cut(image.convert("RGB"), half, 0.0, 0.5).getchannel("A"))
    assert set(np.unique(hard)) <= {0, 255}


@pytest.mark.parametrize("content", [b"", b"no graph at all", b"\x08\x08:\xff\xff\xff\xff\x0f"])
def test_broken_graphs_get_a_clear_answer(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(AtelierError) as caught:
        cutter(tmp_path / "model.onnx")
    assert caught.value.code in (ErrorCode.MODEL_CORRUPT, ErrorCode.MODEL_UNSUPPORTED)


def test_a_graph_for_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AtelierError) as caught:
        cutter(onnx(tmp_path / "model.onnx", channels=5))
    assert caught.value.code is ErrorCode.MODEL_UNSUPPORTED
    with pytest.raises(AtelierError) as caught:
        cutter(tmp_path)
    assert caught.value.code is not ErrorCode.INTERNAL


def test_no_file_is_named_by_a_graph(tmp_path: Path) -> None:
    """Weights "elsewhere" could be any file of this computer."""
    path = onnx(tmp_path / "model.onnx")
    secret = tmp_path / "secret.bin"
    secret.write_bytes(struct.pack("<3f", 4, 0, -4))
    outside = _field(13, _field(1, b"location") + _field(2, b"secret.bin")) + _field(14, 1)
    inner = b"".join(_field(1, side) for side in (1, 3, 1, 1)) + _field(2, 1) + _field(8, b"w") + outside
    whole = path.read_bytes().replace(
        _field(5, _tensor("w", np.array([4.0, 0, -4.0]).reshape(1, 3, 1, 1))), b""
    )  # the graph's length is wrong now too, which is as hostile
    path.write_bytes(whole + inner)
    with pytest.raises(AtelierError):
        cutter(path)


# -- detectors


def addon(folder: Path) -> AddonRef:
    return AddonRef("d", "Finder", "detection", str(folder))


def test_a_detector_finds_what_is_asked_for_only(tmp_path: Path, photo: Path) -> None:
    folder = yolos(tmp_path / "yolos")
    image = Image.open(photo).convert("RGB")
    every = detect.find(addon(folder), image, (), "cpu", Ear())
    for found in every:
        left, top, right, bottom = found.box
        assert 0 <= left < right <= 64
        assert 0 <= top < bottom <= 48
    named = detect.find(addon(folder), image, ("face",), "cpu", Ear())
    assert {each.label for each in named} <= {"face"}
    assert len(named) == len([each for each in every if each.label == "face"])


def test_a_detector_of_whatever_is_named(tmp_path: Path, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detect, "LEAST_SCORE", 0.0)
    monkeypatch.setattr(detect, "_distinct", lambda found, size: found)  # at random they are small
    found = detect.find(addon(owlv2(tmp_path / "owl")), Image.open(photo).convert("RGB"), ("cat", "red"), "cpu", Ear())
    assert found
    assert {each.label for each in found} <= {"cat", "red"}


def test_the_same_thing_is_found_once() -> None:
    rows = [
        detect.Found((10, 10, 50, 50), "face", 0.9), detect.Found((12, 11, 51, 49), "face", 0.7),
        detect.Found((-5, -5, 30, 20), "hand", 0.6), detect.Found((60, 60, 63, 63), "face", 0.8),
    ]  # fmt: skip
    kept = detect._distinct(rows, (64, 48))
    assert [each.score for each in kept] == [0.9, 0.6]
    assert kept[1].box == (0, 0, 30, 20)


def test_what_is_no_detector_is_refused(tmp_path: Path, photo: Path) -> None:
    with pytest.raises(AtelierError) as caught:
        detect.find(addon(blip(tmp_path / "blip")), Image.open(photo).convert("RGB"), (), "cpu", Ear())
    assert caught.value.code is ErrorCode.MODEL_UNSUPPORTED


def test_what_was_found_is_made_anew_and_the_rest_is_kept(
    folder_of: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tiny_runs import Loaded

    loaded = Loaded(folder_of("sd"), tmp_path / "cache")
    plain = np.asarray(loaded.run(tmp_path / "a").image).astype(int)
    monkeypatch.setattr(detect, "find", lambda *_: [detect.Found((8, 8, 24, 24), "face", 0.9)])
    values = loaded.schema.validate({"prompt": "a red cat", "detail_model": "finder", "detail_strength": 0.8})
    ear = Ear()
    made = loaded.runner.run(values, 7, tmp_path / "b", ear, {"finder": addon(tmp_path)})
    changed = np.abs(np.asarray(made.image).astype(int) - plain).max(axis=2)
    assert changed[8:24, 8:24].mean() > 1
    assert changed[40:, 40:].max() == 0
    assert made.facts["details"][0]["label"] == "face"
    assert ear.steps[-1][0] == ear.steps[-1][1]
    assert ear.stages[0] == "running"
