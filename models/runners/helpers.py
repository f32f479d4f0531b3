"""Helper models in transformers' folder layout: read from safetensors, offline, never with code of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import transformers
from safetensors import SafetensorError

from models.errors import AtelierError, ErrorCode

_SAFE: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}


@dataclass
class Helper:
    """A model in evaluation mode on the processor, what prepares its inputs, and the Auto class it was made by."""

    model: Any
    processor: Any
    auto: str


def read_model(folder: Path, name: str, autos: Sequence[str], dtype: Any = None, words: Sequence[str] = ()) -> Helper:
    """The model in ``folder``, made by the first of ``autos`` (transformers' Auto classes) that knows it. Those
    among ``words`` read or write, and are incomplete without their tokenizer.

    Raises:
        AtelierError: MODEL_INCOMPLETE, MODEL_CORRUPT, MODEL_NEEDS_REMOTE_CODE or MODEL_UNSUPPORTED.
    """
    transformers.utils.logging.disable_progress_bar()
    folder = folder.parent if folder.is_file() else folder
    if not (folder / "config.json").is_file():
        raise AtelierError(ErrorCode.MODEL_INCOMPLETE, model=name, file="config.json")
    try:
        config = transformers.AutoConfig.from_pretrained(folder, **_SAFE)
    except Exception as error:  # a hostile configuration makes libraries raise anything at all
        code = _refusal(error)
        raise AtelierError(
            code, str(error), model=name, file="config.json", pipeline="its kind is not known"
        ) from error
    auto = next((each for each in autos if type(config) in getattr(transformers, each)._model_mapping), "")
    if not auto:
        raise AtelierError(ErrorCode.MODEL_UNSUPPORTED, model=name, pipeline=str(config.model_type))
    try:
        model, found = getattr(transformers, auto).from_pretrained(
            folder, config=config, use_safetensors=True, output_loading_info=True, dtype=dtype or "float32", **_SAFE
        )
        lost = sorted(found["missing_keys"])
        if lost:
            raise SafetensorError(f"{len(lost)} tensors are in no file: {lost[0]}...")
        processor = _processor(folder)
        if auto in words and getattr(processor, "tokenizer", None) is None:
            raise AtelierError(ErrorCode.MODEL_INCOMPLETE, "no tokenizer", model=name, file="tokenizer.json")
    except AtelierError:
        raise
    except MemoryError:
        raise
    except Exception as error:
        code = _refusal(error)
        detail = f"{type(error).__name__}: {error}"
        raise AtelierError(
            code, detail, model=name, file="model.safetensors", pipeline=str(config.model_type)
        ) from error
    return Helper(model.eval(), processor, auto)


def _processor(folder: Path) -> Any:
    try:
        return transformers.AutoProcessor.from_pretrained(folder, **_SAFE)
    except (ValueError, OSError, KeyError, TypeError):
        return transformers.AutoImageProcessor.from_pretrained(folder, **_SAFE)


def _refusal(error: Exception) -> ErrorCode:
    text = str(error)
    if "trust_remote_code" in text:
        return ErrorCode.MODEL_NEEDS_REMOTE_CODE
    if isinstance(error, SafetensorError) or "size mismatch" in text or "mismatched" in text:
        return ErrorCode.MODEL_CORRUPT
    if isinstance(error, OSError):
        return ErrorCode.MODEL_INCOMPLETE
    return ErrorCode.MODEL_UNSUPPORTED
