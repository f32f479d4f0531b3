"""Settings hidden in pixels: the lowest bit of alpha (or of the colours), column by column, as NovelAI and the
"stealth pnginfo" extension write them.

First a signature (15 bytes), then the length in bits (32 bit, high byte first), then the text, gzipped where the
signature ends in "comp". Source: ashen-sensored/sd_webui_stealth_pnginfo.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from models.texts import MAX_TEXT, gunzipped

_SIGNATURE = 15
_ALPHA = {b"stealth_pnginfo": False, b"stealth_pngcomp": True}
_COLOURS = {b"stealth_rgbinfo": False, b"stealth_rgbcomp": True}
_DIGITS = bytes(48 + (value & 1) for value in range(256))
MAX_PIXELS = 40_000_000
"""Larger pictures are not decoded for this."""


def read(path: Path) -> str:
    """The hidden text; empty where there is none, or the file cannot be read."""
    try:
        with Image.open(path, formats=("PNG", "WEBP")) as image:
            if image.width * image.height > MAX_PIXELS:
                return ""
            turned = image.transpose(Image.Transpose.TRANSPOSE)  # columns become rows
            if "A" in turned.getbands():
                return _hidden(turned.getchannel("A"), _ALPHA)
            return _hidden(turned, _COLOURS) if turned.mode == "RGB" else ""
    except Exception:  # noqa: BLE001 - decoders meet hostile bytes here and raise anything at all
        return ""


def _hidden(image: Image.Image, signatures: dict[bytes, bool]) -> str:
    if image.width * image.height < _SIGNATURE * 8 + 32:
        return ""
    bits = image.tobytes()
    packed = signatures.get(_bytes(bits, 0, _SIGNATURE))
    if packed is None:
        return ""
    length = int.from_bytes(_bytes(bits, _SIGNATURE, 4)) // 8
    if not 0 < length <= min(MAX_TEXT, len(bits) // 8 - _SIGNATURE - 4):
        return ""
    data = _bytes(bits, _SIGNATURE + 4, length)
    return (gunzipped(data) if packed else data).decode("utf-8", "replace")


def _bytes(bits: bytes, start: int, count: int) -> bytes:
    """``count`` bytes from the lowest bits of ``bits``, from byte ``start`` on."""
    digits = bits[start * 8 : (start + count) * 8].translate(_DIGITS)
    return int(digits, 2).to_bytes(count) if len(digits) == count * 8 else b""
