"""How a picture was made, and how that is written into and read from the picture file itself.

A recipe is plain JSON (see ``build``). It lies in the PNG's ``atelier`` text chunk, and in a property of the XMP packet
of WebP, JPEG and AVIF files; the widely read one-line ``parameters`` text of the A1111 web UI stands beside it (PNG
text, EXIF user comment), so that other tools understand the picture too.
"""

from __future__ import annotations

import base64
import datetime as dt
import html
import io
import json
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

from models import texts
from models.card import ModelRef
from models.files import write_whole

KEY = "atelier"
FORMAT = 1
NAMESPACE = "urn:atelier:recipe:1"
FORMATS = {"png": "PNG", "webp": "WEBP", "jpeg": "JPEG", "jpg": "JPEG", "avif": "AVIF"}
"""Endings of files a recipe can be written into, and Pillow's names of their formats."""

_JPEG_ROOM = 65_000
"""Bytes that fit one segment of a JPEG file, with its own head."""

_SAMPLERS = {
    "ddim": "DDIM", "dpmpp_2m": "DPM++ 2M", "dpmpp_2m_sde": "DPM++ 2M SDE", "euler": "Euler", "euler_a": "Euler a",
    "heun": "Heun", "unipc": "UniPC", "deis": "DEIS", "pndm": "PLMS", "lcm": "LCM",
}  # fmt: skip
"""What the web UI calls our schedulers."""


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
    lines = [" ".join([str(inputs.get("prompt", "")), *_lora_tags(inputs.get("loras"))]).strip()]
    if inputs.get("negative_prompt"):
        lines.append(f"Negative prompt: {inputs['negative_prompt']}")
    sampler, schedule = _sampler_words(inputs.get("scheduler"))
    model = recipe.get("model", {})
    hires = recipe.get("hires", {})
    pairs = {
        "Steps": inputs.get("steps"),
        "Sampler": sampler,
        "Schedule type": schedule,
        "CFG scale": inputs.get("guidance_scale"),
        "Seed": recipe.get("seed"),
        "Denoising strength": inputs.get("strength") if inputs.get("image") else hires.get("strength"),
        "Size": f"{inputs['width']}x{inputs['height']}" if "width" in inputs and "height" in inputs else None,
        "Hires upscale": inputs.get("hires_scale") if hires else None,
        "Hires steps": hires.get("steps"),
        "Hires upscaler": _quoted(hires.get("upscaler")),
        "Clip skip": inputs.get("clip_skip") or None,
        "Lora hashes": _lora_hashes(recipe.get("loras")),
        "Model hash": model.get("hash") or None,
        "Model": _quoted(model.get("name")),
        "Version": f"Atelier {recipe.get('atelier', '')}".strip(),
    }
    lines.append(", ".join(f"{name}: {value}" for name, value in pairs.items() if value is not None))
    return "\n".join(lines)


def _lora_tags(loras: Any) -> list[str]:
    items = [item for item in loras if isinstance(item, Mapping)] if isinstance(loras, list) else []
    return [f"<lora:{_base(str(item.get('name', '')))}:{item.get('weight', 1.0):g}>" for item in items]


def _lora_hashes(used: Any) -> str | None:
    """What the runner said of the LoRAs it used, as the web UI writes it: ``"ink: 0123456789ab, paper: ..."``."""
    items = [item for item in used if isinstance(item, Mapping)] if isinstance(used, list) else []
    pairs = [f"{_base(str(item.get('name', '')))}: {item['hash']}" for item in items if item.get("hash")]
    return json.dumps(", ".join(pairs), ensure_ascii=False) if pairs else None


def _base(name: str) -> str:
    """The last part of a path, without ending."""
    return re.sub(r"\.(safetensors|gguf)$", "", re.split(r"[\\/]", name)[-1])


def _sampler_words(scheduler: Any) -> tuple[str | None, str | None]:
    if not isinstance(scheduler, str) or scheduler == "default":
        return (scheduler, None) if isinstance(scheduler, str) else (None, None)
    bare = scheduler.removesuffix("_karras")
    return _SAMPLERS.get(bare, scheduler), "Karras" if bare != scheduler and bare in _SAMPLERS else None


def _quoted(value: Any) -> str | None:
    """Values with commas, colons or breaks are JSON strings, as the web UI writes them."""
    if value is None:
        return None
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if re.search(r'[,:\n"]', text) else text


# -- what leaves ---------------------------------------------------------------------------------------------------

_LOCAL = re.compile(r"(/|~[/\\]|[A-Za-z]:[\\/]|\\\\|file:)")
_WORDS = frozenset(("prompt", "negative_prompt"))
_PRIVATE = frozenset(("job", "device", "plan", "versions", "seconds", "timings", "created", "picture", "about"))


def shared(recipe: Mapping[str, Any], private: bool = True) -> dict[str, Any]:
    """The recipe for a file that leaves: of local paths only the last part stays; with ``private`` also nothing about
    this machine and when the picture was made on it."""
    kept = {key: value for key, value in recipe.items() if not (private and key in _PRIVATE)}
    return {key: _without_paths(key, value) for key, value in kept.items()}


def _without_paths(key: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_paths(str(name), inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_paths(key, inner) for inner in value]
    if isinstance(value, str) and key not in _WORDS and _LOCAL.match(value):
        return re.split(r"[\\/]", value.rstrip("\\/"))[-1]
    return value


# -- writing -----------------------------------------------------------------------------------------------------------


def encode(
    image: Image.Image, recipe: Mapping[str, Any] | None, kind: str = "PNG", quality: int = 90, lossless: bool = False
) -> bytes:
    """``image`` as a file of a format in ``FORMATS`` values that carries its recipe; None: nothing but the picture.

    ``quality`` 1..100 is for the formats that lose something. Raises ValueError when a recipe is too long for JPEG even
    packed (64 KB), OSError and ValueError when Pillow cannot write the picture.
    """
    buffer = io.BytesIO()
    if kind == "PNG":
        image.save(buffer, "PNG", pnginfo=_png_info(recipe), compress_level=4)
        return buffer.getvalue()
    options: dict[str, Any] = {"quality": quality}
    if kind == "JPEG":
        image, options = image.convert("RGB"), {"quality": quality, "subsampling": 0 if quality >= 90 else 2}
    elif kind == "WEBP":
        options = {"lossless": True} if lossless else {"quality": quality, "method": 4}
    elif image.mode not in ("RGB", "RGBA"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    if recipe is not None:
        options.update(_attached(recipe, kind == "JPEG"))
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _png_info(recipe: Mapping[str, Any] | None) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    if recipe is not None:
        info.add_itxt(KEY, json.dumps(recipe, ensure_ascii=False).encode("utf-8", "replace").decode())
        info.add_itxt("parameters", parameters_text(recipe).encode("utf-8", "replace").decode())
    return info


def _attached(recipe: Mapping[str, Any], narrow: bool) -> dict[str, Any]:
    """EXIF and XMP. JPEG has 64 KB for each: there a long recipe is packed, and a text that does not fit left out."""
    exif = Image.Exif()
    exif.endian = ">"
    # High byte first, whatever the file's order: what the web UIs write and expect.
    comment = b"UNICODE\0" + parameters_text(recipe).encode("utf-16-be", "replace")
    if not narrow or len(comment) < _JPEG_ROOM:
        exif.get_ifd(0x8769)[0x9286] = comment
    exif[0x0131] = f"Atelier {recipe.get('atelier', '')}".strip()
    text = json.dumps(recipe)  # plain ASCII: XML allows no control characters, JSON escapes them
    if narrow and len(html.escape(text, quote=False)) > _JPEG_ROOM - 500:
        text = "zlib:" + base64.b64encode(zlib.compress(text.encode(), 9)).decode()
        if len(text) > _JPEG_ROOM - 500:
            raise ValueError("the recipe is too long for a JPEG file")
    body = f"<atelier:recipe>{html.escape(text, quote=False)}</atelier:recipe>"
    xmp = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" xmlns:atelier="{NAMESPACE}">{body}'
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    return {"exif": exif.tobytes(), "xmp": xmp.encode()}


def encode_png(image: Image.Image, recipe: Mapping[str, Any]) -> bytes:
    """``image`` as a PNG that carries its recipe."""
    return encode(image, recipe)


def save_png(image: Image.Image, path: Path, recipe: Mapping[str, Any]) -> None:
    """Write the picture so that ``path`` appears complete or not at all. Raises OSError (ENOSPC: the disk is full)."""
    write_whole(path, encode(image, recipe))


# -- reading -----------------------------------------------------------------------------------------------------------


def read(path: Path) -> dict[str, Any] | None:
    """Our recipe in ``path``, or None when it carries none that can be read. Raises OSError if there is no file."""
    return of_texts(texts.read(path).texts)


def of_texts(carried: Mapping[str, str]) -> dict[str, Any] | None:
    """Our recipe among the texts of a picture (``models.texts``)."""
    text = carried.get(KEY) or ""
    if not text and NAMESPACE in (xmp := carried.get(texts.XMP, "")):
        text = texts.xmp_values(xmp).get(f"{{{NAMESPACE}}}recipe", "")
    try:
        if text.startswith("zlib:"):
            packed = base64.b64decode(text[5:], validate=True)
            text = texts.decoded(zlib.decompressobj().decompress(packed, texts.MAX_TEXT))
        recipe = json.loads(text) if text else None
    except (ValueError, RecursionError, zlib.error):
        return None
    return recipe if isinstance(recipe, dict) else None
