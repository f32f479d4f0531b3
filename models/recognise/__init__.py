"""What a weight file is and which family it belongs to, told from its tensors' names and shapes, never from its
name."""

from __future__ import annotations

from models.recognise.files import recognise
from models.recognise.folders import recognise_folder, recognise_helper
from models.recognise.helpers import helper_kind
from models.recognise.kinds import HELPERS, FileKind, Recognised

__all__ = [
    "HELPERS", "FileKind", "Recognised", "helper_kind", "recognise", "recognise_folder", "recognise_helper",
]  # fmt: skip
