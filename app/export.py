"""Pictures for others: copies in another format, size or quality, with the recipe or without, under names of a pattern.

The original is never touched. What leaves carries no local path, ever; whether it tells of this machine is a setting.
"""

from __future__ import annotations

import re
import string
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
from PIL import Image

from app.background import Tell
from app.files import write_atomically
from app.jobs import Result
from models import metadata, pictures, recipe
from models.errors import AtelierError, ErrorCode, ErrorInfo, InvalidInputError, Problem, disk_error

SAME = "same"
FORMATS = (SAME, "png", "webp", "jpeg", "avif")
DEFAULT_NAME = "{date}-{prompt}-{seed}"

_FIELDS: dict[str, Callable[[Result, int], str]] = {
    "date": lambda one, number: time.strftime("%Y%m%d", time.localtime(one.created)),
    "time": lambda one, number: time.strftime("%H%M%S", time.localtime(one.created)),
    "prompt": lambda one, number: one.prompt[:60],
    "seed": lambda one, number: str(one.seed),
    "model": lambda one, number: one.model_name or one.model,
    "width": lambda one, number: str(one.width),
    "height": lambda one, number: str(one.height),
    "name": lambda one, number: Path(one.path).stem,
    "number": lambda one, number: f"{number:03}",
}
NAMES = tuple(_FIELDS)
"""What a pattern may hold in braces."""

Skip = Callable[[Result, ErrorInfo], None]
_OF_ONE = frozenset((ErrorCode.PICTURE_UNREADABLE, ErrorCode.INVALID_INPUT))
"""Errors that are one picture's own: the next may well work."""

_LARGEST = {"JPEG": 65_500, "WEBP": 16_383, "AVIF": 65_536, "PNG": pictures.MAX_SIDE}
_RESERVED = frozenset(
    ("con", "prn", "aux", "nul", *(f"com{n}" for n in range(1, 10)), *(f"lpt{n}" for n in range(1, 10)))
)


class Export(msgspec.Struct, frozen=True):
    """How to export. ``quality`` 1..100 where the format loses something; ``scale`` 0.01..8 times the size, or
    ``longest`` side in pixels (0: as ``scale`` says); ``private`` leaves out what tells of this machine."""

    format: str = SAME
    quality: int = 90
    lossless: bool = False
    scale: float = 1.0
    longest: int = 0
    metadata: bool = True
    private: bool = True
    name: str = DEFAULT_NAME

    def check(self) -> None:
        """Raises InvalidInputError with one problem for each option that makes no sense."""
        problems = []
        if self.format not in FORMATS:
            problems.append(Problem("format", self.format, f"Format must be one of {', '.join(FORMATS)}."))
        if not 1 <= self.quality <= 100:
            problems.append(Problem("quality", str(self.quality), "Quality must be from 1 to 100."))
        if not 0.01 <= self.scale <= 8:
            problems.append(Problem("scale", str(self.scale), "Scale must be from 0.01 to 8."))
        if not 0 <= self.longest <= pictures.MAX_SIDE:
            problems.append(
                Problem("longest", str(self.longest), f"The side must be up to {pictures.MAX_SIDE} pixels.")
            )
        if unknown := _unknown(self.name):
            known = ", ".join(f"{{{name}}}" for name in NAMES)
            problems.append(Problem("name", self.name, f"The name has “{unknown}”; it may have {known}."))
        if problems:
            raise InvalidInputError(*problems)


def export_all(
    results: Iterable[Result],
    folder: Path,
    options: Export,
    tell: Tell = lambda done, total: None,
    skip: Skip | None = None,
) -> list[Path]:
    """Write a copy of each into ``folder`` (made if it is not there); names that are taken get a number.

    ``tell`` is told pictures done and in all and may raise to stop: what was written stays. With ``skip`` a picture
    that cannot be read, or not be written in the format, is told there and passed over.

    Raises:
        InvalidInputError: an option makes no sense, or a picture is too large for the format.
        AtelierError: PICTURE_UNREADABLE, or DISK_FULL and the like.
    """
    options.check()
    chosen, written = list(results), []
    for number, one in enumerate(chosen, 1):
        tell(number - 1, len(chosen))
        ending = _ending(one, options)
        target = _free(folder, file_name(options.name, one, number), ending)
        try:
            written.append(export_to(one, target, options))
        except AtelierError as error:
            if skip is None or error.code not in _OF_ONE:
                raise
            skip(one, error.info)
    tell(len(chosen), len(chosen))
    return written


def export_to(result: Result, target: Path, options: Export) -> Path:
    """Write one copy as ``target``; its ending decides the format where ``options`` say "same". Raises as above."""
    options.check()
    kind = recipe.FORMATS.get(options.format) or recipe.FORMATS.get(target.suffix.lower().lstrip("."), "PNG")
    image = pictures.open_picture(result.path, alpha=True).image
    image = _scaled(image, options, kind)
    image = pictures.flatten(image) if kind == "JPEG" else image
    told = recipe.shared(_recipe_of(result), options.private) if options.metadata else None
    try:
        data = recipe.encode(image, told, kind, options.quality, options.lossless)
    except ValueError as error:
        sentence = (
            f"The settings of this picture do not fit a {kind} file ({error}); choose PNG or WebP, or leave them out."
        )
        raise InvalidInputError(Problem("format", kind, sentence)) from error
    try:
        write_atomically(target, data)
    except OSError as error:
        raise disk_error(error, str(target.parent)) from error
    return target


def _recipe_of(result: Result) -> dict[str, Any]:
    """As the library has it, or as the file says: a library without it was rebuilt from somebody else's pictures."""
    if result.recipe.get("inputs"):
        return result.recipe
    try:
        return metadata.read(Path(result.path)) or {}
    except OSError:
        return {}


def _scaled(image: Any, options: Export, kind: str) -> Any:
    width, height = image.size
    factor = options.longest / max(width, height) if options.longest else options.scale
    size = max(1, round(width * factor)), max(1, round(height * factor))
    if max(size) > _LARGEST[kind] or size[0] * size[1] > pictures.MAX_PIXELS:
        sentence = f"{size[0]} x {size[1]} pixels are too many for a {kind} file."
        raise InvalidInputError(Problem("scale", f"{factor:g}", sentence))
    return image if size == image.size else image.resize(size, Image.Resampling.LANCZOS)


# -- names -------------------------------------------------------------------------------------------------------------


def file_name(pattern: str, result: Result, number: int) -> str:
    """The pattern filled in, as a name that every system takes; without ending."""
    filled = "".join(
        literal + (_FIELDS[field](result, number) if field else "")
        for literal, field, _, _ in string.Formatter().parse(pattern)
    )
    return safe_name(filled)


def safe_name(text: str) -> str:
    """``text`` without what some system forbids in names; never empty, at most 120 characters."""
    plain = re.sub(r'[<>:"/\\|?*\x00-\x1f\x7f]+', " ", text.encode("utf-8", "replace").decode("utf-8"))
    plain = re.sub(r"\s+", " ", plain)[:120].strip(" .-")
    plain = plain.encode()[:200].decode("utf-8", "ignore").strip(" .-")
    return f"{plain}_" if plain.split(".")[0].lower() in _RESERVED else plain or "picture"


def _unknown(pattern: str) -> str:
    """The first part of the pattern that nobody can fill in; empty if there is none."""
    try:
        for _, field, form, conversion in string.Formatter().parse(pattern):
            if field is not None and (field not in _FIELDS or form or conversion):
                return f"{{{field}}}"
    except ValueError:
        return pattern
    return ""


def _ending(result: Result, options: Export) -> str:
    own = Path(result.path).suffix.lower()
    if options.format == SAME:
        return own if own.lstrip(".") in recipe.FORMATS else ".png"
    return {"jpeg": ".jpg"}.get(options.format, f".{options.format}")


def _free(folder: Path, stem: str, ending: str) -> Path:
    path, number = folder / f"{stem}{ending}", 2
    while path.exists():
        path, number = folder / f"{stem}-{number}{ending}", number + 1
    return path
