"""What a weight file is and which family it belongs to, told from its tensors' names and shapes, never from its
name."""

from __future__ import annotations

from models.recognise.files import recognise
from models.recognise.folders import recognise_folder
from models.recognise.kinds import FileKind, Recognised

__all__ = ["FileKind", "Recognised", "recognise", "recognise_folder"]
