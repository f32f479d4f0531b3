"""The contact sheet of a grid: all its pictures with the values beside them, drawn with Pillow.

Pictures are made smaller so that no sheet is larger than ``MAX_SIDE`` pixels a side; labels wrap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from app.explore.axes import Axis
from app.paths import ASSETS

MAX_SIDE = 12_000
CELL = 512
"""Pixels of the longer side of a picture on the sheet, where there is room."""
_LEAST = 24
_GAP, _EDGE, _LINES = 8, 24, 4

_DARK = {"ground": (22, 23, 26), "text": (236, 238, 241), "soft": (162, 168, 179), "empty": (38, 41, 46)}
_LIGHT = {"ground": (245, 244, 241), "text": (29, 31, 35), "soft": (92, 99, 110), "empty": (226, 223, 216)}


@dataclass(frozen=True)
class _Layout:
    cell: tuple[int, int]
    font: ImageFont.FreeTypeFont
    strong: ImageFont.FreeTypeFont
    left: int
    head: int
    title: int


def sheet(axes: Sequence[Axis], pictures: Mapping[int, Path], caption: str = "", dark: bool = True) -> Image.Image:
    """The sheet of a grid; ``pictures`` are files by the cell's index, those missing stay empty places.

    The first axis goes across, the second down, the third from block to block.
    """
    x, y, z = (axes[number] if number < len(axes) else None for number in range(3))
    columns, rows, blocks = (len(axis) if axis else 1 for axis in (x, y, z))
    look = _layout(_shape(pictures), columns, rows * blocks, blocks, y is not None)
    look = _headed(look, axes)
    colors = _DARK if dark else _LIGHT
    block = look.title * (z is not None) + look.head + rows * (look.cell[1] + _GAP) + _GAP
    width = 2 * _EDGE + look.left + columns * (look.cell[0] + _GAP)
    top = _EDGE + (_caption_height(caption, look, width) if caption else 0)
    made = Image.new("RGB", (width, top + blocks * block + _EDGE), colors["ground"])
    draw = ImageDraw.Draw(made)
    if caption:
        _write(draw, (_EDGE, _EDGE), caption, look.strong, colors["text"], width - 2 * _EDGE, 3)
    for number in range(blocks):
        at = top + number * block
        if z is not None:
            _write(
                draw, (_EDGE, at), f"{z.title}: {z.labels[number]}", look.strong, colors["text"], width - 2 * _EDGE, 1
            )
            at += look.title
        _block(made, draw, (x, y), at, number * rows * columns, pictures, look, colors)
    return made


def _block(
    made: Image.Image, draw: ImageDraw.ImageDraw, axes: tuple[Axis | None, Axis | None], top: int, first: int,
    pictures: Mapping[int, Path], look: _Layout, colors: Mapping[str, tuple[int, int, int]],
) -> None:  # fmt: skip
    x, y = axes
    assert x is not None
    wide, tall = look.cell
    for column, text in enumerate(x.labels):
        at = (_EDGE + look.left + column * (wide + _GAP), top)
        words = f"{x.title}: {text}" if column == 0 and not y else text
        _write(draw, at, words, look.font, colors["text"], wide, _LINES)
    if y is not None:
        _write(draw, (_EDGE, top), f"{y.title} / {x.title}", look.font, colors["soft"], look.left - _GAP, _LINES)
    for row in range(len(y) if y else 1):
        line = top + look.head + row * (tall + _GAP)
        if y is not None:
            _write(draw, (_EDGE, line), y.labels[row], look.font, colors["text"], look.left - _GAP, 8)
        for column in range(len(x)):
            box = (_EDGE + look.left + column * (wide + _GAP), line)
            small = _small(pictures.get(first + row * len(x) + column), look.cell)
            if small is None:
                draw.rectangle((*box, box[0] + wide - 1, box[1] + tall - 1), fill=colors["empty"])
            else:
                made.paste(small, (box[0] + (wide - small.width) // 2, box[1] + (tall - small.height) // 2))


def _shape(pictures: Mapping[int, Path]) -> tuple[int, int]:
    """Width and height of the pictures; where they differ, the largest of each among the first ones."""
    sizes = []
    for path in list(pictures.values())[:24]:
        try:
            with Image.open(path) as image:
                sizes.append(image.size)
        except OSError:
            continue
    return (max(size[0] for size in sizes), max(size[1] for size in sizes)) if sizes else (CELL, CELL)


def _layout(shape: tuple[int, int], columns: int, rows: int, blocks: int, sides: bool) -> _Layout:
    room_x = (MAX_SIDE - 2 * _EDGE) / columns - _GAP - (200 / columns if sides else 0)
    room_y = (MAX_SIDE - 2 * _EDGE - blocks * 120 - 200) / rows - _GAP
    scale = min(max(CELL, 96) / max(shape), max(room_x, 1) / shape[0], max(room_y, 1) / shape[1])
    scale = min(scale, 4.0)
    cell = (max(_LEAST, round(shape[0] * scale)), max(_LEAST, round(shape[1] * scale)))
    size = max(11, min(18, cell[0] // 14))
    font, strong = _font("Regular", size), _font("SemiBold", size + 2)
    line = size * 4 // 3
    return _Layout(cell, font, strong, 170 if sides else 0, line * _LINES + 6, line * 2)


def _headed(look: _Layout, axes: Sequence[Axis]) -> _Layout:
    """With as much room above the columns as their labels need."""
    texts = [(f"{axes[0].title}: {text}", look.cell[0]) for text in axes[0].labels[:200]]
    if len(axes) > 1:
        texts.append((f"{axes[1].title} / {axes[0].title}", look.left - _GAP))
    lines = max(len(wrap(text, look.font, width, _LINES)) for text, width in texts)
    return replace(look, head=lines * int(look.font.size * 4 / 3) + 10)


def _font(style: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(ASSETS / "fonts" / f"Inter-{style}.ttf"), size)


def _caption_height(caption: str, look: _Layout, width: int) -> int:
    count = len(wrap(caption, look.strong, width - 2 * _EDGE, 3))
    return count * int(look.strong.size * 4 / 3) + 14


def _write(
    draw: ImageDraw.ImageDraw, at: tuple[int, int], text: str, font: ImageFont.FreeTypeFont,
    color: tuple[int, int, int], width: int, lines: int,
) -> None:  # fmt: skip
    for number, line in enumerate(wrap(text, font, width, lines)):
        draw.text((at[0], at[1] + number * int(font.size * 4 / 3)), line, color, font)


def wrap(text: str, font: ImageFont.FreeTypeFont, width: int, lines: int) -> list[str]:
    """``text`` in at most so many lines of ``width`` pixels; words too long are cut, and what is left out is shown by
    an ellipsis."""
    made: list[str] = []
    rest = " ".join(text.split())[:2000]
    while rest and len(made) < lines:
        count = _fits(rest, font, width)
        if count < len(rest):
            space = rest.rfind(" ", 0, count + 1)
            count = space if space > 0 else count
        made.append(rest[:count].rstrip())
        rest = rest[count:].lstrip()
    if rest:
        last = made[-1]
        while last and font.getlength(f"{last}…") > width:
            last = last[:-1]
        made[-1] = f"{last}…"
    return made


def _fits(text: str, font: ImageFont.FreeTypeFont, width: int) -> int:
    """How many characters of ``text`` go into ``width``; at least one."""
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if font.getlength(text[:middle]) <= width else (low, middle - 1)
    return low


def _small(path: Path | None, cell: tuple[int, int]) -> Image.Image | None:
    if path is None:
        return None
    try:
        with Image.open(path) as image:
            image.draft("RGB", cell)
            picture = image.convert("RGB")
    except (OSError, ValueError):
        return None
    scale = min(cell[0] / picture.width, cell[1] / picture.height)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    method = Image.Resampling.NEAREST if scale >= 2 else Image.Resampling.LANCZOS
    return picture.resize(size, method)
