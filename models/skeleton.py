"""The note that makes a folder of configurations stand for a model whose weights lie elsewhere.

A single-file checkpoint is used through a *skeleton*: an ordinary model folder without weights (``models.singles``
makes it), and in it this note, which says for each component where its weights are: in the file, under a prefix, or in
a folder of another model. ``folders.inspect`` and the loader read it; nothing else has to know.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import msgspec

NOTE = "single.json"
_NAME = re.compile(r".+-[0-9a-f]{16}")
_MADE = "1"
"""Counts up when skeletons are made differently: older ones are then made again."""


class Slice(msgspec.Struct, frozen=True):
    """The weights of one component.

    ``folder`` is the component's own folder in another model; empty: the weights are in the note's ``file``, in the
    tensors whose names begin with ``prefix``; or in another ``file`` of ``format``, that of the base. ``layout`` says
    how those are named ("ldm", "open_clip", "hf", "diffusers", "original"). The counts are those of ``folders.Part``,
    taken from the file's header.
    """

    folder: str = ""
    prefix: str = ""
    layout: str = ""
    parameters: int = 0
    stored_dtype: str = ""
    largest_leaf: int = 0
    size_bytes: int = 0
    quantization: str = ""
    file: str = ""
    format: str = ""


class Note(msgspec.Struct, frozen=True):
    """What a skeleton stands for.

    ``file`` is the weight file, an absolute path, ``size_bytes`` and ``mtime_ns`` what it was when the skeleton was
    made, ``format`` as in ``Recognised``. ``base`` is the model folder that gives what the file does not hold.
    ``allow_pickle`` records that a person agreed to read this very file although it is a pickle.
    """

    file: str
    size_bytes: int
    mtime_ns: int
    format: str = "safetensors"
    family: str = ""
    variant: str = ""
    base: str = ""
    allow_pickle: bool = False
    parts: dict[str, Slice] = {}


def read_note(folder: Path) -> Note | None:
    """The note of a skeleton; None for an ordinary folder.

    Raises:
        ValueError: there is a note that cannot be read.
    """
    try:
        return msgspec.json.decode((folder / NOTE).read_bytes(), type=Note)
    except FileNotFoundError:
        return None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{NOTE}: {error}") from error


def is_skeleton(folder: Path) -> bool:
    """Whether a folder is called as skeletons are.

    Asked before the note's file is looked at: a note from elsewhere could name a file on another computer, and looking
    at it would already call there.
    """
    return _NAME.fullmatch(folder.absolute().name) is not None


def folder_name(file: Path) -> str:
    """What the skeleton of ``file`` (an absolute path) is called: it tells the path, size and time of the file, so that
    a changed file gets another one, and a note that came from elsewhere with a model folder is not believed.

    Raises:
        OSError: the file cannot be looked at.
    """
    facts = file.stat()
    key = f"{file}\0{facts.st_size}\0{facts.st_mtime_ns}\0{_MADE}".encode()
    return f"{re.sub(r'[^A-Za-z0-9._-]+', '_', file.stem)[:60]}-{hashlib.sha256(key).hexdigest()[:16]}"
