"""Maps of drawn pictures show what was drawn; helper models built small and random give maps of the right kind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from models import maps
from models.card import AddonRef
from models.errors import AtelierError, InvalidInputError
from models.runners.maps import make_map, pose
from models.runners.maps.drawn import DRAWN
from models.runners.maps.palette import ADE20K
from models.runners.maps.seen import slopes

BOX = (60, 40, 200, 150)


@pytest.fixture
def picture() -> Image.Image:
    image = Image.new("RGB", (256, 192), (210, 200, 190))
    ImageDraw.Draw(image).rectangle(BOX, fill=(30, 40, 120))
    return image


def on_border(made: Image.Image, reach: int = 3) -> tuple[float, float]:
    """The mean brightness along the drawn box's border, and far from it."""
    values = np.asarray(made.convert("L"), float)
    frame = Image.new("L", made.size)
    ImageDraw.Draw(frame).rectangle(BOX, outline=255, width=1)
    near = Image.new("L", made.size)
    ImageDraw.Draw(near).rectangle((BOX[0] - 30, BOX[1] - 30, BOX[2] + 30, BOX[3] + 30), fill=255)
    ImageDraw.Draw(near).rectangle((BOX[0] + 30, BOX[1] + 30, BOX[2] - 30, BOX[3] - 30), fill=0)
    ys, xs = np.nonzero(np.asarray(frame))
    best = [values[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1].max()
            for y, x in zip(ys, xs, strict=True)]  # fmt: skip
    return float(np.mean(best)), float(values[np.asarray(near) == 0].mean())


@pytest.mark.parametrize("name", ["canny", "softedge", "lineart", "scribble", "lines"])
def test_edges_are_where_edges_are(name: str, picture: Image.Image) -> None:
    made = make_map(name, picture)
    bright, elsewhere = on_border(made)
    assert made.size == picture.size
    assert made.mode == "RGB"
    assert bright > 120
    assert elsewhere < 3


def test_canny_listens_to_its_thresholds(picture: Image.Image) -> None:
    faint = Image.new("RGB", picture.size, (100, 100, 100))
    ImageDraw.Draw(faint).rectangle(BOX, fill=(120, 120, 120))
    assert not np.asarray(make_map("canny", faint, low_threshold=250, high_threshold=255)).any()
    assert np.asarray(make_map("canny", faint, low_threshold=10, high_threshold=20)).any()
    # the other way round is the same pair
    assert make_map("canny", faint, low_threshold=20, high_threshold=10) == make_map(
        "canny", faint, low_threshold=10, high_threshold=20
    )


def test_straight_lines_leave_short_ones_out(picture: Image.Image) -> None:
    assert np.asarray(make_map("lines", picture, shortest=10)).any()
    assert not np.asarray(make_map("lines", Image.new("RGB", (256, 192), "white"), shortest=0.5)).any()
    long = np.asarray(make_map("lines", picture, shortest=50)) > 128
    every = np.asarray(make_map("lines", picture, shortest=1)) > 128
    assert 0 < long.sum() < every.sum()  # the box is 55 % of the longer side wide, and 43 % high


def test_tile_and_blur_take_detail_away_and_keep_the_colours() -> None:
    noise = Image.effect_noise((128, 96), 80).convert("RGB")
    for name in ("tile", "blur"):
        made = np.asarray(make_map(name, noise), float)
        assert made.std() < np.asarray(noise, float).std() / 2
        assert abs(made.mean() - np.asarray(noise, float).mean()) < 4


def test_grey_and_inverted(picture: Image.Image) -> None:
    grey = np.asarray(make_map("grayscale", picture))
    assert (grey[..., 0] == grey[..., 2]).all()
    assert make_map("invert", make_map("invert", picture)) == picture


@pytest.mark.parametrize("name", sorted(DRAWN))
@pytest.mark.parametrize("size", [(1, 1), (1, 700), (700, 1), (3, 2)])
def test_pictures_of_hardly_any_size(name: str, size: tuple[int, int]) -> None:
    assert make_map(name, Image.new("RGB", size, "red")).size == size


def test_a_huge_picture_is_worked_on_at_the_detail_asked_for() -> None:
    huge = Image.new("RGB", (6000, 4000), "white")
    ImageDraw.Draw(huge).rectangle((1500, 1000, 4500, 3000), fill="black")
    made = make_map("canny", huge, resolution=256)
    assert made.size == huge.size
    assert np.asarray(made.convert("L").crop((1450, 1800, 1550, 1900))).max() > 100


def test_what_is_transparent_counts_as_white() -> None:
    clear = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    assert make_map("", clear).getpixel((5, 5)) == (255, 255, 255)
    ImageDraw.Draw(clear).rectangle((16, 16, 48, 48), fill=(0, 0, 0, 255))
    assert np.asarray(make_map("canny", clear)).any()


def test_an_unknown_preprocessor_is_refused_by_name(picture: Image.Image) -> None:
    with pytest.raises(InvalidInputError) as caught:
        make_map("caney", picture)
    assert "caney" in caught.value.info.problems[0].sentence
    assert "canny" in caught.value.info.problems[0].sentence


@pytest.mark.parametrize("name", ["depth", "normal", "pose", "segmentation"])
def test_without_its_model_a_preprocessor_says_what_it_needs(name: str, picture: Image.Image) -> None:
    with pytest.raises(InvalidInputError) as caught:
        make_map(name, picture)
    assert "Models page" in caught.value.info.problems[0].sentence


# -- with models --


@pytest.fixture(scope="module")
def depth_model(tmp_path_factory: pytest.TempPathFactory) -> AddonRef:
    folder = tmp_path_factory.mktemp("maps") / "depth"
    build_depth(folder)
    return AddonRef("d", "tiny depth", "depth", str(folder))


def build_depth(folder: Path) -> None:
    import torch
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config, DPTImageProcessor

    torch.manual_seed(0)
    backbone = Dinov2Config(
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, intermediate_size=32, image_size=28, patch_size=14,
        out_indices=[1, 2, 3, 4], apply_layernorm=True, reshape_hidden_states=False,
    )  # fmt: skip
    config = DepthAnythingConfig(
        backbone_config=backbone, patch_size=14, reassemble_hidden_size=16, neck_hidden_sizes=[4, 4, 8, 8],
        fusion_hidden_size=8, head_hidden_size=4,
    )  # fmt: skip
    DepthAnythingForDepthEstimation(config).save_pretrained(folder)
    DPTImageProcessor(
        size={"height": 56, "width": 56}, ensure_multiple_of=14, keep_aspect_ratio=True
    ).save_pretrained(folder)  # fmt: skip


@pytest.mark.parametrize("size", [(256, 192), (1, 900), (1, 1)])
def test_depth_uses_the_whole_range(depth_model: AddonRef, size: tuple[int, int]) -> None:
    noise = Image.effect_noise((256, 192), 90).convert("RGB").resize(size)
    made = make_map("depth", noise, {"any name": depth_model})
    assert made.size == size
    if size == (256, 192):
        low, high = made.convert("L").getextrema()
        assert low < 10
        assert high > 245


def test_normals_come_from_depth(depth_model: AddonRef, picture: Image.Image) -> None:
    made = np.asarray(make_map("normal", picture, {"d": depth_model}), float)
    vectors = made / 127.5 - 1
    assert np.abs(np.linalg.norm(vectors, axis=2) - 1).max() < 0.1
    assert vectors[..., 2].min() > 0


def test_a_hill_faces_left_red_and_up_green() -> None:
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    vectors = slopes(np.clip(1 - x**2 - y**2, 0, 1), 1.0)
    assert vectors[32, 10, 0] > 0.2  # the left side of it: red
    assert vectors[32, 53, 0] < -0.2
    assert vectors[10, 32, 1] > 0.2  # its upper side: green
    assert vectors[53, 32, 1] < -0.2


def test_areas_have_the_colours_of_their_classes(tmp_path: Path, picture: Image.Image) -> None:
    import torch
    from transformers import SegformerConfig, SegformerForSemanticSegmentation, SegformerImageProcessor

    torch.manual_seed(0)
    config = SegformerConfig(
        hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], num_attention_heads=[1, 1, 2, 2], decoder_hidden_size=8,
        num_labels=5,
    )  # fmt: skip
    SegformerForSemanticSegmentation(config).save_pretrained(tmp_path)
    SegformerImageProcessor(size={"height": 64, "width": 64}).save_pretrained(tmp_path)
    made = make_map("segmentation", picture, {"s": AddonRef("s", "tiny", "segmentation", str(tmp_path))})
    assert made.size == picture.size
    colours = {colour for _, colour in made.getcolors(100_000)}
    assert colours <= set(ADE20K[:5])


def test_a_model_for_single_masks_is_not_taken_for_areas(tmp_path: Path, picture: Image.Image) -> None:
    (tmp_path / "config.json").write_text('{"architectures": ["Sam2VideoModel"]}')
    with pytest.raises(InvalidInputError):
        make_map("segmentation", picture, {"s": AddonRef("s", "SAM", "segmentation", str(tmp_path))})


def test_poses_are_drawn_inside_the_picture(tmp_path: Path, picture: Image.Image) -> None:
    import torch
    from transformers import VitPoseBackboneConfig, VitPoseConfig, VitPoseForPoseEstimation, VitPoseImageProcessor

    torch.manual_seed(0)
    backbone = VitPoseBackboneConfig(
        image_size=[64, 48], patch_size=[16, 16], hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        out_features=["stage2"],
    )  # fmt: skip
    VitPoseForPoseEstimation(
        VitPoseConfig(backbone_config=backbone, num_labels=17, use_simple_decoder=True)
    ).save_pretrained(tmp_path)
    VitPoseImageProcessor(size={"height": 64, "width": 48}).save_pretrained(tmp_path)
    made = make_map("pose", picture, {"p": AddonRef("p", "tiny", "pose", str(tmp_path))}, confidence=0.05)
    assert made.size == picture.size


def test_a_stick_figure_has_its_joints_where_they_are() -> None:
    points = [(100.0, 20.0 + 10 * n) for n in range(17)]
    points[5], points[6] = (130.0, 60.0), (70.0, 60.0)  # the shoulders
    figure = pose.joints(points, [0.9] * 17, 0.3)
    assert figure[1] == (100.0, 60.0)  # the neck, between them
    made = pose.drawn((200, 240), [figure])
    assert made.getpixel((100, 20)) == (255, 0, 0)  # the nose is red in OpenPose's colours
    unsure = pose.joints(points, [0.1] * 17, 0.3)
    assert not any(unsure)


def test_damaged_weights_name_the_model(tmp_path: Path, picture: Image.Image, depth_model: AddonRef) -> None:
    import shutil

    folder = tmp_path / "broken"
    shutil.copytree(depth_model.path, folder)
    (folder / "model.safetensors").write_bytes(b"\x10")
    with pytest.raises(AtelierError) as caught:
        make_map("depth", picture, {"d": AddonRef("d", "tiny depth", "depth", str(folder))})
    assert caught.value.info.facts["model"] == "tiny depth"


# -- the table --


@pytest.mark.parametrize(
    ("net", "preprocessor"),
    [
        ("lllyasviel/control_v11p_sd15_canny", "canny"),
        ("lllyasviel/control_v11p_sd15_openpose", "pose"),
        ("control_v11p_sd15s2_lineart_anime", "lineart"),
        ("diffusers/controlnet-depth-sdxl-1.0", "depth"),
        ("control_v11p_sd15_normalbae", "normal"),
        ("control_v11p_sd15_seg", "segmentation"),
        ("xinsir/controlnet-union-sdxl-1.0", ""),
    ],
)
def test_a_networks_name_suggests_its_preprocessor(net: str, preprocessor: str) -> None:
    assert maps.suggested(net) == preprocessor


def test_options_are_held_within_their_ranges() -> None:
    values = maps.settings("canny", {"low_threshold": -5, "high_threshold": 9999, "radius": 3})
    assert values["low_threshold"] == 1
    assert values["high_threshold"] == 255
    assert "radius" not in values


def test_people_are_found_one_by_one_where_a_detector_is_installed(tmp_path: Path, picture: Image.Image) -> None:
    """Random detectors are sure of nothing, so nobody is drawn; one for clothes, or asked in words, is not asked."""
    import json

    import torch
    from transformers import YolosConfig, YolosForObjectDetection, YolosImageProcessor

    torch.manual_seed(0)
    folder = tmp_path / "yolos"
    config = YolosConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, image_size=[64, 64],
        num_detection_tokens=5, id2label={0: "person", 1: "cat", 2: "hat"},
    )  # fmt: skip
    YolosForObjectDetection(config).save_pretrained(folder)
    YolosImageProcessor(size={"shortest_edge": 64, "longest_edge": 128}).save_pretrained(folder)
    detector = AddonRef("y", "tiny", "detection", str(folder))
    assert pose._people(picture, {"y": detector}, "cpu") == []
    for name, labels in (("YolosForObjectDetection", {"0": "shirt"}), ("Owlv2ForObjectDetection", {"0": "person"})):
        other = tmp_path / name
        other.mkdir()
        (other / "config.json").write_text(json.dumps({"architectures": [name], "id2label": labels}))
        found = pose._people(picture, {"o": AddonRef("o", "o", "detection", str(other))}, "cpu")
        assert found == [[0.0, 0.0, 256.0, 192.0]]
