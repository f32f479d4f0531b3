"""Every picture of the user's own comes in through here: opened, turned upright, in sRGB with eight bits, or refused
with a reason a person can act on.

Light: Pillow, and pi-heif for the photographs of telephones (chosen over pillow-heif, whose wheels carry a GPL
encoder; ours only reads). Files may be hostile: sizes are looked at before any pixel is decoded, formats that start
other programs are not among those tried, and whatever a decoder raises becomes the one error.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError

from models.errors import AtelierError, ErrorCode

MAX_SIDE = 30_000
"""Pixels; longer pictures are refused."""

MAX_PIXELS = 178_000_000
"""Pixels in all, within what Pillow opens: 530 MB once decoded. An 8K picture has 33 million."""

MAX_BYTES = 1 << 30
"""Of a file; no picture of allowed size needs more."""

FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "TIFF", "GIF", "BMP", "DIB", "JPEG2000", "PPM", "TGA", "ICO")
"""What Pillow may try. EPS would start Ghostscript; others are rare and their decoders little tested."""

SUFFIXES = (
    ".png", ".apng", ".jpg", ".jpeg", ".webp", ".avif", ".tif", ".tiff", ".gif", ".bmp", ".jp2", ".ppm", ".pgm", ".tga",
    ".ico", ".heic", ".heif",
)  # fmt: skip
"""Endings of files worth offering in a file dialog."""

T = TypeVar("T")
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1", b"hevc")
_TURNED = (5, 6, 7, 8)  # EXIF orientations that exchange width and height
_WHITE = (255, 255, 255)
_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


@dataclass(frozen=True)
class About:
    """What a file says of its picture before its pixels are read; ``width`` and ``height`` are those seen upright."""

    width: int
    height: int
    format: str
    frames: int = 1
    alpha: bool = False


@dataclass(frozen=True)
class Opened:
    """A picture ready to be worked with: mode RGB, or RGBA where alpha was to be kept and there is some.

    ``sha256`` is of the file's bytes; ``notes`` are sentences on what was left away ("The first of 12 frames...").
    """

    image: Image.Image
    about: About
    sha256: str
    notes: tuple[str, ...] = ()


def look(path: str | Path) -> About:
    """Format and size from the file's header, in milliseconds.

    Raises:
        AtelierError: PICTURE_UNREADABLE with ``path`` and ``reason``.
    """

    def read(path: Path) -> About:
        with path.open("rb") as file:
            return _about(_identified(file))

    return _guarded(Path(path), read)


def open_picture(path: str | Path, alpha: bool = False, background: tuple[int, int, int] = _WHITE) -> Opened:
    """The picture in ``path``, whole; without ``alpha`` it is laid on ``background``.

    Raises:
        AtelierError: PICTURE_UNREADABLE with ``path`` and ``reason``: no such file, no picture, cut off, too large.
    """

    def read(path: Path) -> Opened:
        # One read: the picture, its hash and its size then belong together, whatever others do to the file.
        file = io.BytesIO(path.read_bytes())
        found = _identified(file)
        about = _about(found)
        found.load()
        notes = (f"The first of {about.frames} frames is used.",) if about.frames > 1 else ()
        image = _in_srgb(_upright(found))
        image = image if alpha else flatten(image, background)
        return Opened(image, about, hashlib.sha256(file.getbuffer()).hexdigest(), notes)

    return _guarded(Path(path), read)


def open_mask(path: str | Path) -> Opened:
    """A mask as mode L: white is what is to be changed. In pictures with alpha, what is transparent counts as black.

    Raises:
        AtelierError: as ``open_picture``.
    """
    opened = open_picture(path, background=(0, 0, 0))
    return Opened(opened.image.convert("L"), opened.about, opened.sha256, opened.notes)


def why_unreadable(path: str | Path) -> str:
    """The reason why a file's header cannot be used as a picture's; empty if it can."""
    try:
        look(path)
    except AtelierError as error:
        return str(error.info.facts.get("reason", "it cannot be read"))
    return ""


def flatten(image: Image.Image, background: tuple[int, int, int] = _WHITE) -> Image.Image:
    """``image`` as RGB, laid on ``background`` where it is transparent."""
    if image.mode == "RGB":
        return image
    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    ground = Image.new("RGBA", image.size, (*background, 255))
    return Image.alpha_composite(ground, image).convert("RGB")


def _guarded(path: Path, read: Callable[[Path], T]) -> T:
    """``read`` the file; whatever goes wrong has one code and a reason."""
    try:
        if not path.is_file():
            gone = "it is a folder" if path.is_dir() else "the file is not there any more, or never was"
            raise _RefusedError(gone)
        if path.stat().st_size > MAX_BYTES:
            raise _RefusedError("the file is larger than 1 GB")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read(path)
    except _RefusedError as refusal:
        reason, detail = str(refusal), ""
    except Image.DecompressionBombError as error:
        reason, detail = _too_large(), str(error)
    except UnidentifiedImageError as error:
        reason, detail = "it is not a picture, or of a kind Atelier does not know", str(error)
    except PermissionError as error:
        reason, detail = "Atelier is not allowed to read it", str(error)
    except MemoryError as error:
        reason, detail = "there is not enough memory to open it", str(error)
    except Exception as error:  # noqa: BLE001 - decoders meet hostile bytes here and raise anything at all
        reason, detail = "it is damaged or cut off", f"{type(error).__name__}: {error}"
    raise AtelierError(ErrorCode.PICTURE_UNREADABLE, detail, path=str(path), reason=reason)


class _RefusedError(Exception):
    """Our own refusal; its text is the reason."""


def _too_large() -> str:
    return f"it is too large; pictures may have {MAX_SIDE:,} pixels a side and {MAX_PIXELS // 1_000_000} megapixels"


def _identified(file: BinaryIO) -> Image.Image:
    """The lazy picture, its size checked; no pixels are decoded."""
    head = file.read(32)
    file.seek(0)
    if not head:
        raise _RefusedError("the file is empty")
    if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS and b"avif" not in head:
        return _sized(_heif(file))
    return _sized(Image.open(file, formats=FORMATS))


def _heif(file: BinaryIO) -> Image.Image:
    try:
        import pi_heif
    except ImportError as error:
        raise _RefusedError("HEIC pictures need the package pi-heif; save it as JPEG or PNG instead") from error
    pi_heif.register_heif_opener(thumbnails=False)
    return Image.open(file, formats=("HEIF",))


def _sized(image: Image.Image) -> Image.Image:
    width, height = image.size
    if width < 1 or height < 1:
        raise _RefusedError("it has no pixels")
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise _RefusedError(_too_large())
    return image


def _about(image: Image.Image) -> About:
    width, height = image.size
    if _orientation(image) in _TURNED:
        width, height = height, width
    frames = int(getattr(image, "n_frames", 1) or 1)
    # The second picture of an MPO (a telephone's depth map) or an icon's smaller ones are no animation.
    frames = frames if image.format in ("GIF", "WEBP", "PNG", "AVIF", "TIFF") else 1
    return About(width, height, image.format or "", frames, image.has_transparency_data)


def _orientation(image: Image.Image) -> int:
    try:
        exif = _png_exif(image) if image.format == "PNG" else image.getexif()
        return int(exif.get(ExifTags.Base.Orientation, 1))
    except Exception:  # noqa: BLE001 - broken EXIF is no reason to refuse a picture
        return 1


def _png_exif(image: Image.Image) -> Image.Exif:
    """What stands before the pixels; Pillow's own way decodes them first, in case there is something behind."""
    exif = Image.Exif()
    if isinstance(found := image.info.get("exif"), bytes):
        exif.load(found)
    return exif


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # noqa: BLE001 - as above
        return image


def _in_srgb(image: Image.Image) -> Image.Image:
    """RGB or RGBA with eight bits, colours converted by the embedded profile if that can be read."""
    profile = image.info.get("icc_profile")
    image = _eight_bits(image)
    alpha = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
    colours = image.convert("RGB") if image.mode not in ("L", "CMYK", "LAB", "RGB") else image
    converted = _by_profile(colours, profile) if isinstance(profile, bytes) and profile else None
    result = converted if converted is not None else colours.convert("RGB")
    if alpha is not None:
        result = result.copy()
        result.putalpha(alpha)
    result.info = {}
    return result


def _by_profile(image: Image.Image, profile: bytes) -> Image.Image | None:
    """Colours as the profile means them; None when it does not fit the picture or is broken."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        if space != {"L": "GRAY", "LAB": "Lab"}.get(image.mode, image.mode):
            return None
        converted = ImageCms.profileToProfile(
            image, source, _SRGB, ImageCms.Intent.RELATIVE_COLORIMETRIC, "RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )  # fmt: skip
    except Exception:  # noqa: BLE001 - a broken profile is ignored, as browsers do
        return None
    return converted


def _eight_bits(image: Image.Image) -> Image.Image:
    """Greys with more than eight bits scaled down; Pillow itself would cut them off at 255."""
    if image.mode.startswith("I;16"):
        return _scaled(image.convert("I"), 1 / 257)
    if image.mode == "I":
        high = image.getextrema()[1]
        return _scaled(image, 1 / 257 if isinstance(high, int | float) and high > 255 else 1.0)
    if image.mode == "F":
        high = image.getextrema()[1]
        return _scaled(image, 255.0 if isinstance(high, int | float) and high <= 1.0 else 1.0)
    return image


def _scaled(image: Image.Image, factor: float) -> Image.Image:
    return image.convert("F").point(lambda value: value * factor + 0.5).convert("L")
