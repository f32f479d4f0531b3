"""The one door for the user's own pictures: what is opened comes out upright, in sRGB; all else is refused in words."""

from __future__ import annotations

import base64
import io
import struct
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, features

from models import pictures
from models.errors import AtelierError, ErrorCode, ErrorInfo

HEIC = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAX1tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAA"
    "ACJpbG9jAAAAAERAAAEAAQAAAAABoQABAAAAAAAAAD8AAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMxAAAAAA5waXRt"
    "AAAAAAABAAAA/WlwcnAAAADdaXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMA"
    "AAMAHroCQGEAAQAqQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkAAAATY29scm5j"
    "bHgAAQANAAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xhcAAAAEAAAAABAAAAMAAAAAEAAAAAAAAAAv////AAAAACAAAAEHBp"
    "eGkAAAAAAwgICAAAABhpcG1hAAAAAAAAAAEAAQWBAgMFhAAAAEdtZGF0AAAAOygBr1jm9Oq//+Vrv/6j/IfJ//9f/yQ9V+9P8/65"
    "XVpX20CevjNXlWCJixW/cY9hVth2n3FzTY2m+DEg"
)
"""64 x 48 pixels, red on the left and blue on the right."""


def saved(folder: Path, image: Image.Image, name: str, **options: Any) -> Path:
    path = folder / name
    image.save(path, **options)
    return path


def halves(mode: str = "RGB", size: tuple[int, int] = (40, 20)) -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", size, (220, 30, 30))
    image.paste((30, 30, 220), (size[0] // 2, 0, *size))
    return image.convert(mode)


def refusal(path: Path) -> str:
    with pytest.raises(AtelierError) as caught:
        pictures.open_picture(path)
    assert caught.value.code is ErrorCode.PICTURE_UNREADABLE
    assert caught.value.info.facts["path"] == str(path)
    return str(caught.value.info.facts["reason"])


def near(pixel: Any, wanted: tuple[int, ...], by: int = 12) -> bool:
    return all(abs(a - b) <= by for a, b in zip(pixel, wanted, strict=True))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.png", {}), ("a.jpg", {"quality": 95}), ("a.webp", {"lossless": True}), ("a.tif", {}), ("a.bmp", {}),
        ("a.gif", {}), ("a.ppm", {}), ("a.tga", {}), ("a.avif", {"quality": 95}), ("a.jp2", {}),
    ],
)  # fmt: skip
def test_the_usual_formats_are_opened(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    if name.endswith("avif") and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    path = saved(tmp_path, halves(), name, **options)
    opened = pictures.open_picture(path)
    assert (opened.image.mode, opened.image.size) == ("RGB", (40, 20))
    assert near(opened.image.getpixel((5, 10)), (220, 30, 30))
    assert near(opened.image.getpixel((35, 10)), (30, 30, 220))
    assert opened.notes == ()
    assert len(opened.sha256) == 64
    assert (opened.about.width, opened.about.height) == (40, 20)


def test_a_telephones_picture_is_opened(tmp_path: Path) -> None:
    pytest.importorskip("pi_heif")
    path = tmp_path / "a.heic"
    path.write_bytes(HEIC)
    opened = pictures.open_picture(path)
    assert opened.image.size == (64, 48)
    assert near(opened.image.getpixel((10, 20)), (200, 30, 30), 30)
    assert near(opened.image.getpixel((50, 20)), (20, 40, 220), 30)
    path.write_bytes(HEIC[:300])
    assert "damaged" in refusal(path) or "not a picture" in refusal(path)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "I", "F", "I;16"])
def test_every_kind_of_pixel_becomes_rgb(tmp_path: Path, mode: str) -> None:
    grey = Image.new("L", (4, 4), 128)
    if mode == "I;16":
        image = Image.new("I;16", (4, 4), 128 * 257)
    elif mode == "I":
        image = Image.new("I", (4, 4), 128 * 257)
    elif mode == "F":
        image = Image.new("F", (4, 4), 128 / 255)
    else:
        image = grey.convert(mode)
    name = "a.tif" if mode in ("CMYK", "YCbCr", "I", "F") else "a.png"
    opened = pictures.open_picture(saved(tmp_path, image, name))
    assert opened.image.mode == "RGB"
    expected = (255, 0) if mode == "1" else (127, 128, 129)
    assert opened.image.getpixel((1, 1))[0] in expected


def test_sixteen_bits_of_colour_are_scaled_not_cut(tmp_path: Path) -> None:
    rows = b"".join(b"\0" + struct.pack(">HHH", 65535, 32896, 0) * 2 for _ in range(2))
    path = tmp_path / "deep.png"
    path.write_bytes(png(2, 2, zlib.compress(rows), depth=16))
    assert pictures.open_picture(path).image.getpixel((1, 1)) == (255, 128, 0)


def png(width: int, height: int, data: bytes, depth: int = 8, colour: int = 2) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_alpha_is_laid_on_white_or_kept(tmp_path: Path) -> None:
    image = halves("RGBA")
    image.putpixel((0, 0), (0, 0, 0, 0))
    path = saved(tmp_path, image, "a.png")
    assert pictures.open_picture(path).image.getpixel((0, 0)) == (255, 255, 255)
    kept = pictures.open_picture(path, alpha=True)
    assert kept.image.mode == "RGBA"
    assert kept.about.alpha
    assert kept.image.getpixel((0, 0))[3] == 0


def test_a_palette_with_a_transparent_colour_is_laid_on_white(tmp_path: Path) -> None:
    image = halves().convert("P")
    path = saved(tmp_path, image, "a.gif", transparency=image.getpixel((0, 0)))
    assert pictures.open_picture(path).image.getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("turn", range(1, 9))
def test_pictures_stand_upright(tmp_path: Path, turn: int) -> None:
    upright = halves(size=(40, 20))
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = upright.transpose(undo[turn]) if turn in undo else upright
    exif = Image.Exif()
    exif[274] = turn
    path = saved(tmp_path, stored, "a.png", exif=exif)
    opened = pictures.open_picture(path)
    about = pictures.look(path)
    assert (about.width, about.height) == opened.image.size == (40, 20)
    assert opened.image.tobytes() == upright.tobytes()


def test_looking_at_a_png_decodes_no_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import ImageFile

    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (60, 40)).save(tmp_path / "turned.png", exif=exif)
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("pixels were decoded"))
    about = pictures.look(tmp_path / "turned.png")
    assert (about.width, about.height) == (40, 60)


def test_colours_are_meant_as_the_profile_says(tmp_path: Path) -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    image = halves()
    plain = pictures.open_picture(saved(tmp_path, image, "srgb.png", icc_profile=_srgb())).image
    assert near(plain.getpixel((5, 5)), (220, 30, 30), 2)
    # A profile of another colour space, and bytes that are none, are ignored.
    for number, profile in enumerate((lab.tobytes(), b"rubbish", b"\0" * 200)):
        opened = pictures.open_picture(saved(tmp_path, image, f"{number}.png", icc_profile=profile)).image
        assert opened.getpixel((5, 5)) == (220, 30, 30)
    wide = _with_swapped_primaries(_srgb())
    swapped = pictures.open_picture(saved(tmp_path, image, "wide.png", icc_profile=wide)).image
    assert near(swapped.getpixel((5, 5)), (30, 30, 220), 40), "red's primary was declared to be blue's"


def _srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _with_swapped_primaries(profile: bytes) -> bytes:
    return profile.replace(b"rXYZ", b"tmpX", 1).replace(b"bXYZ", b"rXYZ", 1).replace(b"tmpX", b"bXYZ", 1)


def test_of_an_animation_the_first_frame_is_used_and_that_is_said(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    for name in ("a.gif", "a.webp", "a.png"):
        path = tmp_path / name
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)
        opened = pictures.open_picture(path)
        assert opened.notes == ("The first of 3 frames is used.",)
        assert near(opened.image.getpixel((4, 4)), (255, 0, 0))
        assert pictures.look(path).frames == 3


def test_masks_are_grey_and_what_is_transparent_stays(tmp_path: Path) -> None:
    image = Image.new("RGBA", (4, 2), (255, 255, 255, 0))
    image.putpixel((1, 0), (255, 255, 255, 255))
    mask = pictures.open_mask(saved(tmp_path, image, "m.png")).image
    assert (mask.mode, mask.getpixel((1, 0)), mask.getpixel((0, 0))) == ("L", 255, 0)


def test_one_pixel_is_a_picture(tmp_path: Path) -> None:
    assert pictures.open_picture(saved(tmp_path, Image.new("RGB", (1, 1)), "a.png")).image.size == (1, 1)


def test_thirty_thousand_pixels_are_the_most(tmp_path: Path) -> None:
    assert pictures.open_picture(saved(tmp_path, Image.new("L", (30_000, 2)), "a.png")).image.size == (30_000, 2)
    assert "30,000" in refusal(saved(tmp_path, Image.new("L", (30_001, 1)), "b.png"))


@pytest.mark.parametrize("size", [(30_000, 30_000), (2**31 - 1, 2**31 - 1), (20_000, 12_000)])
def test_bombs_are_refused_before_they_are_decoded(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png(*size, zlib.compress(b"\0" * 10_000_000)))
    began = time.perf_counter()
    assert "too large" in refusal(path)
    assert time.perf_counter() - began < 1.0


def test_a_text_chunk_that_swells_is_refused(tmp_path: Path) -> None:
    body = b"k\0\0" + zlib.compress(b"x" * 50_000_000)
    chunk = struct.pack(">I", len(body)) + b"zTXt" + body + struct.pack(">I", zlib.crc32(b"zTXt" + body))
    data = png(2, 2, zlib.compress(b"\0" * 14))
    path = tmp_path / "text.png"
    path.write_bytes(data[:33] + chunk + data[33:])
    assert "damaged" in refusal(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "empty"), (b"hello, I am no picture", "not a picture"), (b"%!PS-Adobe-3.0 EPSF-3.0\n", "not a picture")],
)
def test_what_is_no_picture_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    assert words in refusal(path)
    assert words in pictures.why_unreadable(path)


def test_what_is_not_there_is_said_so(tmp_path: Path) -> None:
    assert "not there" in refusal(tmp_path / "gone.png")
    assert "folder" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.tif", "a.gif"])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path, Image.effect_noise((64, 64), 80).convert("RGB"), name)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "damaged" in refusal(path) or "not a picture" in refusal(path)


_WHOLE: dict[str, bytes] = {}


def _encoded(kind: str) -> bytes:
    if kind not in _WHOLE:
        buffer = io.BytesIO()
        Image.effect_noise((24, 16), 60).convert("RGB").save(buffer, kind)
        _WHOLE[kind] = buffer.getvalue()
    return _WHOLE[kind]


@settings(max_examples=150, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "ICO", "HEIC", ""]),
    cut=st.floats(0, 1),
    edits=st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), max_size=12),
    junk=st.binary(max_size=64),
)
def test_hostile_bytes_are_opened_or_refused_but_never_worse(
    tmp_path: Path, kind: str, cut: float, edits: list[tuple[int, int]], junk: bytes
) -> None:
    data = bytearray(HEIC if kind == "HEIC" else _encoded(kind) if kind else b"")
    for place, value in edits:
        if data:
            data[place % len(data)] = value
    data = data[: int(len(data) * (1 - cut / 2))] + junk
    path = tmp_path / "hostile"
    path.write_bytes(bytes(data))
    outcome: object
    try:
        outcome = pictures.open_picture(path)
    except AtelierError as error:
        outcome = error.info
    if isinstance(outcome, ErrorInfo):
        assert outcome.code is ErrorCode.PICTURE_UNREADABLE
        assert outcome.facts["reason"]
    else:
        assert isinstance(outcome, pictures.Opened)
        assert outcome.image.mode == "RGB"
        assert max(outcome.image.size) <= pictures.MAX_SIDE
