"""The texts that picture files carry: read from PNG, JPEG, WebP, AVIF, TIFF and GIF without decoding any pixel.

PNG chunks are walked here rather than by Pillow: it decodes the pixels to reach texts behind them, and refuses a whole
file for one text that is too long. For the other formats Pillow finds EXIF and XMP. Everything a file claims is checked
against limits, so that hostile, truncated and enormous files cost little and raise nothing.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from PIL import ExifTags, Image

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MAX_TEXT = 16 << 20
"""Bytes of one text; workflows with pictures inside reach some megabytes."""

MAX_TEXTS = 200
MAX_CHUNKS = 100_000

XMP, COMMENT, DESCRIPTION, MAKER_NOTE = "xmp", "exif:UserComment", "exif:ImageDescription", "exif:MakerNote"
EXIF_TAGS = {0x010E: DESCRIPTION, 0x010F: "exif:Make", 0x0110: "exif:Model", 0x0131: "exif:Software"}
_DETAIL_TAGS = {0x9286: COMMENT, 0x927C: MAKER_NOTE}
_FORMATS = ("JPEG", "WEBP", "AVIF", "TIFF", "GIF")
_PNG = b"\x89PNG\r\n\x1a\n"
_XMP_KEY = "XML:com.adobe.xmp"


@dataclass(frozen=True)
class Carried:
    """What a picture file says beside its pixels. ``texts`` holds PNG texts by keyword, ``xmp``, and EXIF texts as
    ``exif:UserComment`` and the like; ``format`` is empty when the file is no picture. Sides are in pixels."""

    format: str = ""
    width: int = 0
    height: int = 0
    alpha: bool = False
    texts: Mapping[str, str] = field(default_factory=dict)


def read(path: Path) -> Carried:
    """What ``path`` carries. Raises OSError only when the file itself cannot be opened."""
    with path.open("rb") as file:
        head = file.read(8)
        file.seek(0)
        return _read_png(file) if head == _PNG else _read_other(file)


# -- PNG ---------------------------------------------------------------------------------------------------------------


def _read_png(file: BinaryIO) -> Carried:
    file.seek(8)
    width = height = 0
    alpha = False
    texts: dict[str, str] = {}
    for kind, data in _chunks(file):
        if kind == b"IHDR" and len(data) >= 13:
            width, height = struct.unpack(">II", data[:8])
            alpha = data[9] in (4, 6)
        elif kind == b"eXIf":
            texts.update({key: text for key, text in _exif_texts(data).items() if key not in texts})
        elif len(texts) < MAX_TEXTS and (found := _png_text(kind, data)) is not None:
            keyword, text = found
            texts.setdefault(XMP if keyword == _XMP_KEY else keyword, text)
    return Carried("PNG" if width and height else "", width, height, alpha, texts)


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """The chunks that may hold texts; others are skipped, and a file that is cut off ends quietly."""
    for _ in range(MAX_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            return
        length, kind = struct.unpack(">I4s", head)
        if kind == b"IEND":
            return
        if kind in (b"IHDR", b"tEXt", b"zTXt", b"iTXt", b"eXIf") and length <= MAX_TEXT:
            data = file.read(length)
            if len(data) < length:
                return
            yield kind, data
            file.seek(4, 1)
        else:
            file.seek(length + 4, 1)


def _png_text(kind: bytes, data: bytes) -> tuple[str, str] | None:
    keyword, zero, rest = data.partition(b"\0")
    if not zero or not 1 <= len(keyword) <= 79:
        return None
    name = keyword.decode("latin-1")
    if kind == b"tEXt":
        return name, decoded(rest)
    if kind == b"zTXt":
        return name, decoded(_inflated(rest[1:]))
    if kind != b"iTXt" or len(rest) < 2:
        return None
    packed, body = rest[0] == 1, rest[2:]
    _, _, body = body.partition(b"\0")  # language
    _, _, body = body.partition(b"\0")  # translated keyword
    return name, decoded(_inflated(body) if packed else body)


def _inflated(data: bytes, wbits: int = zlib.MAX_WBITS) -> bytes:
    """As much as there is, at most ``MAX_TEXT`` bytes: a small chunk may claim to hold gigabytes."""
    try:
        return zlib.decompressobj(wbits).decompress(data, MAX_TEXT)
    except zlib.error:
        return b""


def gunzipped(data: bytes) -> bytes:
    return _inflated(data, 16 + zlib.MAX_WBITS)


def decoded(data: bytes) -> str:
    """Bytes that should be text: UTF-8 where they are that, which many tools write anywhere, else Latin-1."""
    try:
        return data.decode("utf-8").strip("\0")
    except UnicodeDecodeError:
        return data.decode("latin-1").strip("\0")


# -- the others --------------------------------------------------------------------------------------------------------


def _read_other(file: BinaryIO) -> Carried:
    try:
        with Image.open(file, formats=_FORMATS) as image:
            width, height = image.size
            info = dict(image.info)
            texts = _exif_texts(_bytes(info.get("exif")))
            if xmp := _bytes(info.get("xmp")):
                texts[XMP] = decoded(xmp[:MAX_TEXT])
            if comment := _bytes(info.get("comment")):
                texts["comment"] = decoded(comment[:MAX_TEXT])
            alpha = image.has_transparency_data
            return Carried(image.format or "", width, height, alpha, texts)
    except Exception:  # noqa: BLE001 - decoders meet hostile bytes here and raise anything at all
        return Carried()


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    return value.encode("utf-8", "replace") if isinstance(value, str) else b""


def _exif_texts(data: bytes) -> dict[str, str]:
    if not data or len(data) > MAX_TEXT:
        return {}
    try:
        exif = Image.Exif()
        exif.load(data)
        found = {EXIF_TAGS[tag]: exif[tag] for tag in EXIF_TAGS if tag in exif}
        detail = exif.get_ifd(ExifTags.IFD.Exif)
        found.update({_DETAIL_TAGS[tag]: detail[tag] for tag in _DETAIL_TAGS if tag in detail})
        big = exif.endian == ">"
    except Exception:  # noqa: BLE001 - as above: EXIF is a format with pointers, and anybody can write it
        return {}
    return {name: text for name, value in found.items() if (text := _exif_text(name, value, big))}


def _exif_text(name: str, value: Any, big: bool) -> str:
    if isinstance(value, str):
        value = value.encode("latin-1", "replace") if name != COMMENT else value.encode("utf-8", "replace")
    if not isinstance(value, bytes):
        return ""
    return user_comment(value, big) if name == COMMENT else decoded(value)


def user_comment(data: bytes, big: bool = True) -> str:
    """An EXIF user comment: eight bytes name the encoding, but writers disagree on what they mean by it.

    "UNICODE" is UTF-16, by the web UIs always with the high byte first, by others in the file's byte order (``big``).
    """
    code, body = data[:8], data[8:]
    if code == b"UNICODE\0":
        return _utf16(body, big)
    if code == b"ASCII\0\0\0" or code == bytes(8):
        return decoded(body) if body.count(0) * 4 < len(body) else _utf16(body, big)
    if code == b"JIS\0\0\0\0\0":
        try:
            return body.decode("iso2022_jp").strip("\0")
        except UnicodeDecodeError:
            return decoded(body)
    return decoded(data)


def _utf16(body: bytes, big: bool) -> str:
    """In the order that gives more plain letters; a byte order mark decides. Some write UTF-8 here all the same."""
    if body[:2] in (b"\xfe\xff", b"\xff\xfe"):
        return body.decode("utf-16", "replace").strip("\0")
    if body and not body.count(0) and len(body) > 2:
        try:
            if body.decode("ascii"):
                return body.decode("ascii")
        except UnicodeDecodeError:
            pass
    body = body[: len(body) // 2 * 2]
    high, low = sum(1 for byte in body[0:4000:2] if byte == 0), sum(1 for byte in body[1:4000:2] if byte == 0)
    first = big if high == low else high > low
    return body.decode("utf-16-be" if first else "utf-16-le", "replace").strip("\0")


# -- XMP ---------------------------------------------------------------------------------------------------------------


def xmp_values(xmp: str) -> dict[str, str]:
    """The properties of an XMP packet by local name and by ``{namespace}name``; empty for what is no XML.

    A document type is refused: XMP has none, and entities are how small XML becomes large.
    """
    from xml.etree import ElementTree  # few pictures have it

    start = xmp.find("<")
    if start < 0 or "<!DOCTYPE" in xmp or "<!ENTITY" in xmp:
        return {}
    try:
        root = ElementTree.fromstring(_until_end(xmp[start:]))
    except (ElementTree.ParseError, ValueError, RecursionError):
        return {}
    found: dict[str, str] = {}
    for element in root.iter():
        if len(found) >= MAX_TEXTS:
            break
        for name, value in element.attrib.items():
            _keep(found, name, value)
        if not str(element.tag).endswith(_NOT_PROPERTIES):
            _keep(found, str(element.tag), _first_text(element))
    return found


_NOT_PROPERTIES = ("}RDF", "}Description", "}Alt", "}Seq", "}Bag", "}li", "}xmpmeta")


def _until_end(xmp: str) -> str:
    """Without the padding and the closing instruction that may stand behind the root element."""
    end = xmp.rfind(">")
    return xmp[: end + 1]


def _first_text(element: Element) -> str:
    """An element's own text, or that of the first item of its list of languages or values."""
    if element.text and element.text.strip():
        return element.text
    for number, child in enumerate(element.iter()):
        if child is not element and child.text and child.text.strip():
            return child.text
        if number > 50:
            break
    return ""


def _keep(found: dict[str, str], name: str, value: str) -> None:
    if value:
        found.setdefault(name, value)
        found.setdefault(name.rpartition("}")[2], value)
