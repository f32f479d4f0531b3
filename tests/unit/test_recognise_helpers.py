"""Helpers are told from their configuration, or from what their graph takes and gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.imports import Imports
from app.installed import Places, survey
from app.judging import EmptyCatalog
from app.known import Known
from models.errors import AtelierError, ErrorCode
from models.recognise import FileKind, helper_kind, recognise_folder, recognise_helper
from tests.shops import AtOnce, Shop, quiet
from tests.unit.test_recognise import write
from tests.unit.test_recognise_folder import note


def field(number: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return bytes([number << 3, value])
    return bytes([number << 3 | 2, len(value)]) + value


def value(name: str, *sides: int) -> bytes:
    """``ValueInfoProto``; -1 is a side with a name instead of a number."""
    dims = b"".join(field(1, field(2, b"n") if side < 0 else field(1, side)) for side in sides)
    return field(1, name.encode()) + field(2, field(1, field(1, 1) + field(2, dims)))


def graph(path: Path, given: list[bytes], made: list[bytes], weights: tuple[str, ...] = ()) -> Path:
    inside = field(1, b"\x22\x04Conv") + b"".join(field(5, field(8, name.encode())) for name in weights)
    inside += b"".join(field(11, each) for each in given) + b"".join(field(12, each) for each in made)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(field(1, 8) + field(2, b"tests") + field(7, inside))
    return path


PICTURE = value("image", 1, 3, 64, 64)
CUTTER = ([PICTURE], [value("mask", 1, 1, 64, 64)])


@pytest.mark.parametrize(
    ("given", "made", "is_cutter"),
    [
        (*CUTTER, True),
        ([value("image", -1, 3, -1, -1)], [value("mask", -1, 1, -1, -1)], True),
        ([PICTURE], [value("mask", 1, 64, 64), value("rest", 1, 1, 64, 64)], True),
        ([PICTURE], [value("larger", 1, 3, 120, 120)], False),  # an upscaler
        ([PICTURE], [value("tags", 1, 100)], False),  # a tagger
        ([PICTURE, value("text", 1, 7)], [value("mask", 1, 1, 64, 64)], False),
        ([value("sound", 1, 100)], [value("mask", 1, 1, 64, 64)], False),
        ([PICTURE], [], False),
    ],
)
def test_a_graph_is_a_cutter_by_what_it_takes_and_gives(
    tmp_path: Path, given: list[bytes], made: list[bytes], is_cutter: bool
) -> None:
    file = graph(tmp_path / "some.onnx", given, made)
    assert helper_kind(file) is (FileKind.BACKGROUND if is_cutter else FileKind.UNKNOWN)


def test_weights_among_the_inputs_are_no_inputs(tmp_path: Path) -> None:
    old = graph(tmp_path / "old.onnx", [PICTURE, value("w", 1, 3, 1, 1)], CUTTER[1], weights=("w",))
    assert helper_kind(old) is FileKind.BACKGROUND


@pytest.mark.parametrize("content", [b"", b"no graph at all", b"\x08\x08:\xff\xff\xff\xff\x0f", b"\x3a\x80" * 40])
def test_broken_graphs_are_unknown(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    assert helper_kind(tmp_path / "model.onnx") is FileKind.UNKNOWN
    assert helper_kind(tmp_path) is FileKind.UNKNOWN


def transformer(folder: Path, *classes: object, **more: object) -> Path:
    note(folder / "config.json", architectures=list(classes), **more)
    write(folder / "model.safetensors", {"embeddings.weight": [4, 4]})
    return folder


SEES = {"vision_config": {"hidden_size": 4}}


@pytest.mark.parametrize(
    ("name", "more", "kind"),
    [
        ("BlipForConditionalGeneration", SEES, FileKind.CAPTION),
        ("Florence2ForConditionalGeneration", SEES, FileKind.CAPTION),
        ("Idefics3ForConditionalGeneration", SEES, FileKind.CAPTION),
        ("GitForCausalLM", SEES, FileKind.CAPTION),
        ("T5ForConditionalGeneration", {}, FileKind.UNKNOWN),  # a text encoder sees nothing
        ("YolosForObjectDetection", {}, FileKind.DETECTION),
        ("DepthAnythingForDepthEstimation", {}, FileKind.DEPTH),
        ("VitPoseForPoseEstimation", {}, FileKind.POSE),
        ("SegformerForSemanticSegmentation", {}, FileKind.SEGMENTATION),
        (7, {}, FileKind.UNKNOWN),
    ],
)
def test_a_folder_is_what_its_class_does(tmp_path: Path, name: object, more: dict[str, object], kind: FileKind) -> None:
    folder = transformer(tmp_path / "one", name, **more)
    assert helper_kind(folder) is kind
    if kind is not FileKind.UNKNOWN:
        found = recognise_folder(folder)
        assert (found.kind, found.format, found.parameters) == (kind, "transformers", 16)


def test_a_configuration_alone_is_unfinished(tmp_path: Path) -> None:
    note(tmp_path / "config.json", architectures=["YolosForObjectDetection"])
    with pytest.raises(AtelierError) as caught:
        recognise_helper(tmp_path)
    assert caught.value.code is ErrorCode.MODEL_INCOMPLETE


# -- brought in ------------------------------------------------------------------------------------------------------


@pytest.fixture
def shop(home: Path, tmp_path: Path) -> Shop:
    return Shop(tmp_path / "hub")


@pytest.fixture
def wares(shop: Shop) -> Imports:
    return Imports(shop.settings, shop.paths, shop.models, AtOnce(), lambda work: work())


def kinds(shop: Shop) -> dict[str, str]:
    return {addon.name: addon.kind for addon in shop.models.addons()}


def test_helpers_are_used_where_they_lie_and_forgotten_again(shop: Shop, wares: Imports, tmp_path: Path) -> None:
    folder = transformer(tmp_path / "my blip", "BlipForConditionalGeneration", **SEES)
    file = graph(tmp_path / "u2.onnx", *CUTTER)
    assert shop.ask(wares.look, folder).kind is FileKind.CAPTION
    keys = [shop.ask(wares.add, path, False, quiet) for path in (folder, file)]
    assert keys == [str(folder), str(file)]
    assert kinds(shop) == {"my blip": "caption", "u2": "background-removal"}
    runners = {entry.card.id: entry.card.ref.runner for entry in shop.models.tools()}
    assert (runners[str(folder)], runners[str(file)]) == ("caption", "cutout")
    assert shop.item(str(folder)).role == "caption"
    assert [shop.remove(key) for key in keys] == [0, 0]
    assert not kinds(shop)
    assert folder.is_dir()
    assert file.is_file()


def test_copies_of_helpers_are_whole_and_ours(shop: Shop, wares: Imports, tmp_path: Path) -> None:
    folder = transformer(tmp_path / "eyes", "YolosForObjectDetection")
    graph(tmp_path / "cutter" / "onnx" / "model.onnx", *CUTTER)
    for path in (folder, tmp_path / "cutter", tmp_path / "cutter" / "onnx" / "model.onnx"):
        shop.ask(wares.add, path, True, quiet)
    assert kinds(shop) == {"eyes": "detection", "cutter": "background-removal"}
    ids = sorted(Path(addon.path).relative_to(shop.paths.models).as_posix() for addon in shop.models.addons())
    assert ids == ["background-removal/cutter", "background-removal/cutter.onnx", "detection/eyes"]
    assert shop.remove(str(shop.paths.models / "detection" / "eyes")) > 0
    assert "eyes" not in kinds(shop)
    assert folder.is_dir()


def test_a_folder_of_helpers_is_a_source(shop: Shop, wares: Imports, tmp_path: Path) -> None:
    place = tmp_path / "helpers"
    transformer(place / "blip", "BlipForConditionalGeneration", **SEES)
    transformer(place / "eyes", "YolosForObjectDetection")
    graph(place / "cutter" / "onnx" / "model.onnx", *CUTTER)
    graph(place / "u2.onnx", *CUTTER)
    found = shop.ask(wares.look, place)
    assert (found.kind, found.layers) == (FileKind.UNKNOWN, 4)
    assert shop.ask(wares.add_source, place) == 4
    expected = {"blip": "caption", "eyes": "detection", "cutter": "background-removal", "u2": "background-removal"}
    assert kinds(shop) == expected


def test_a_helper_whose_weights_break_later_says_so(shop: Shop, wares: Imports, tmp_path: Path) -> None:
    folder = transformer(tmp_path / "eyes", "YolosForObjectDetection")
    shop.ask(wares.add, folder, False, quiet)
    (folder / "model.safetensors").write_bytes(b"cut")
    found = survey(Places(tmp_path / "none", tmp_path / "hub", (str(folder),)), Known(), EmptyCatalog(), None)
    assert [thing.problem.code for thing in found.things if thing.problem] == [ErrorCode.MODEL_CORRUPT]
