"""How a picture was made, and how that is written into and read from the picture file itself.

A recipe is plain JSON (see ``build``). It lies in the PNG's ``atelier`` text chunk; the widely read one-line
``parameters`` text of the A1111 web UI stands beside it, so that other tools understand the picture too.
"""

from __future__ import annotations

import datetime as dt
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

from models.card import ModelRef
from models.files import write_whole

KEY = "atelier"
FORMAT = 1


def build(
    model: ModelRef, inputs: Mapping[str, Any], seed: int, facts: Mapping[str, Any], extra: Mapping[str, Any]
) -> dict[str, Any]:
    """The full recipe of one picture: everything needed to make it again, and what it was made with.

    ``inputs`` are all validated inputs with this picture's own ``seed``; ``facts`` come from the runner (plan,
    scheduler, timings in seconds); ``extra`` from the app (its version, job id, model licence).
    """
    return {
        "format": FORMAT,
        "created": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "model": {"id": model.id, "name": model.name, "revision": model.revision, "runner": model.runner},
        "inputs": {**inputs, "seed": seed},
        "seed": seed,
        **extra,
        **facts,
    }


def parameters_text(recipe: Mapping[str, Any]) -> str:
    """The recipe as the A1111 web UI writes it: prompt, negative prompt, then "Steps: 20, Sampler: ..., Seed: ..."."""
    inputs = recipe.get("inputs", {})
    lines = [str(inputs.get("prompt", ""))]
    if inputs.get("negative_prompt"):
        lines.append(f"Negative prompt: {inputs['negative_prompt']}")
    pairs = {
        "Steps": inputs.get("steps"),
        "Sampler": inputs.get("scheduler"),
        "CFG scale": inputs.get("guidance_scale"),
        "Seed": recipe.get("seed"),
        "Denoising strength": inputs.get("strength") if inputs.get("image") else None,
        "Size": f"{inputs['width']}x{inputs['height']}" if "width" in inputs and "height" in inputs else None,
        "Model": recipe.get("model", {}).get("name"),
        "Version": f"Atelier {recipe.get('atelier', '')}".strip(),
    }
    lines.append(", ".join(f"{name}: {value}" for name, value in pairs.items() if value is not None))
    return "\n".join(lines)


def encode_png(image: Image.Image, recipe: Mapping[str, Any]) -> bytes:
    """``image`` as a PNG that carries its recipe."""
    info = PngImagePlugin.PngInfo()
    info.add_itxt(KEY, json.dumps(recipe, ensure_ascii=False))
    info.add_itxt("parameters", parameters_text(recipe))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=info, compress_level=4)
    return buffer.getvalue()


def save_png(image: Image.Image, path: Path, recipe: Mapping[str, Any]) -> None:
    """Write the picture so that ``path`` appears complete or not at all. Raises OSError (ENOSPC: the disk is full)."""
    write_whole(path, encode_png(image, recipe))


def read(path: Path) -> dict[str, Any] | None:
    """The recipe in ``path``, or None when it carries none that can be read. Raises OSError if there is no file."""
    try:
        with Image.open(path) as picture:
            text = picture.info.get(KEY)
            if text is None:
                picture.load()  # text may also stand behind the pixels
                text = picture.info.get(KEY)
        recipe = json.loads(text) if isinstance(text, str) else None
    except (ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    except OSError as error:
        if error.errno is not None:
            raise  # the file itself cannot be opened
        return None  # Pillow's word for "no picture" and for one that is cut off
    return recipe if isinstance(recipe, dict) else None
