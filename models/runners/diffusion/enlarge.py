"""A picture of any size made larger and finer by a model, tile by tile.

Each tile is a run from a picture at the model's own size. It sees what its neighbours have become and passes into them
by a soft mask in latent space, so that there are no seams to hide. Fusing the steps of all tiles (MultiDiffusion,
Bar-Tal and others 2023) was turned down: it needs the whole picture's latents and each family's position codes; here
memory is that of one tile and every family can do it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from models import pictures
from models.canvas import Frame, effective_strength
from models.errors import InvalidInputError, Problem
from models.inputs import LANCZOS, LATENT, Size
from models.runners import tiles
from models.runners.diffusion import easel
from models.runners.diffusion.hires import upscaled

if TYPE_CHECKING:
    from models.runners.diffusion.passes import Passes


def in_tiles(passes: Passes, picture: Image.Image) -> Image.Image:
    """``picture`` enlarged as the inputs say; alpha is kept."""
    inputs = passes.inputs
    factor, strength = float(inputs["enlarge"]), effective_strength(inputs)
    size = (round(picture.width * factor), round(picture.height * factor))
    if size[0] * size[1] > pictures.MAX_PIXELS or max(size) > pictures.MAX_SIDE:
        sentence = f"The picture would have {size[0]:,} × {size[1]:,} pixels, which is more than can be opened."
        raise InvalidInputError(Problem("enlarge", str(factor), sentence))
    passes.report.stage("running")
    way = str(inputs.get("hires_upscaler") or LANCZOS)
    way = LANCZOS if way == LATENT else way
    large = upscaled(passes, picture, size, way)
    alpha = large.getchannel("A") if large.mode == "RGBA" else None
    if strength > 0:
        large = _finer(passes, large.convert("RGB"), strength)
    if alpha is not None:
        large.putalpha(alpha)
    passes.facts["enlarge"] = {"size": f"{size[0]}x{size[1]}", "upscaler": way, "strength": strength}
    return large


def _finer(passes: Passes, large: Image.Image, strength: float) -> Image.Image:
    native = passes.space.native
    overlap = min(native.width, native.height) // 4
    rows = tiles.spans(large.height, native.height, overlap)
    columns = tiles.spans(large.width, native.width, overlap)
    taken = max(1, round(int(passes.inputs.get("steps") or 1) * strength))
    passes.expect(taken * len(rows) * len(columns))
    number = 0
    for row in rows:
        for column in columns:
            number += 1
            placed = _tile(passes, large, row, column)
            seed = (passes.seed + number - 1) % 2**32
            made, _ = passes.one(
                taken, placed, None, number == len(rows) * len(columns), seed,
                width=placed.frame.work.width, height=placed.frame.work.height,
            )  # fmt: skip
            large = made
    passes.facts["tiles"] = number
    return large


def _tile(passes: Passes, large: Image.Image, row: tiles.Span, column: tiles.Span) -> easel.Easel:
    """One tile: what is new in it, passing over into what is done at its left and above."""
    box = (column.start, row.start, column.stop, row.stop)
    window = large.crop(box)
    work = passes.work(window.size)
    across, down = _share(column), _share(row)
    alpha = Image.fromarray(np.rint(255 * np.minimum(down[:, None], across[None, :])).astype(np.uint8))
    size = (work.width, work.height)
    image = window if window.size == size else window.resize(size, Image.Resampling.LANCZOS)
    mask = alpha if alpha.size == size else alpha.resize(size, Image.Resampling.BILINEAR)
    core = mask.point(lambda value: 255 * (value == 255))
    frame = Frame(Size(*large.size), 0, 0, box, work, True)
    return easel.Easel(frame, image, mask, core, {}, passes.space.multiple, [], large, alpha)


def _share(span: tiles.Span) -> tiles.Floats:
    """How much of a tile is new, place by place: nothing before its first, all after the fade."""
    share = np.ones(span.stop - span.start, np.float32)
    before = span.first - span.start
    share[:before] = 0
    if span.fade_in:
        share[before : before + span.fade_in] = (np.arange(span.fade_in) + 0.5) / span.fade_in
    return share
