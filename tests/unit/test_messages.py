"""Every error code has words, and its facts fit into them."""

from __future__ import annotations

import ast
import string
from pathlib import Path

import pytest

from app.messages import _ERRORS, ACTION_WORDS, Action, as_text, notice_words, words
from models.errors import AtelierError, ErrorCode, ErrorInfo, Problem

ROOT = Path(__file__).resolve().parents[2]

# The facts each code is raised with, as everywhere in the code.
FACTS: dict[ErrorCode, dict[str, str | int | float]] = {
    ErrorCode.PICTURE_UNREADABLE: {"path": "a.png", "reason": "it is damaged or cut off"},
    ErrorCode.MODEL_NOT_INSTALLED: {"model": "m"},
    ErrorCode.MODEL_INCOMPLETE: {"model": "m", "file": "unet/x.safetensors"},
    ErrorCode.MODEL_CORRUPT: {"model": "m", "file": "unet/x.safetensors"},
    ErrorCode.MODEL_UNSUPPORTED: {"model": "m", "pipeline": "P"},
    ErrorCode.MODEL_NEEDS_PICKLE: {"model": "m"},
    ErrorCode.ADDON_BROKEN: {"name": "ink", "file": "ink.safetensors", "reason": "it is no LoRA"},
    ErrorCode.ADDON_MISFIT: {"name": "ink", "matched": 0, "layers": 304, "made_for": "FLUX.1"},
    ErrorCode.MODEL_NEEDS_REMOTE_CODE: {"model": "m"},
    ErrorCode.FILE_UNKNOWN: {"file": "a.zip"},
    ErrorCode.BASE_MISSING: {"model": "m", "family": "FLUX.1", "base": "FLUX.1 schnell"},
    ErrorCode.MODEL_IN_USE: {"model": "m"},
    ErrorCode.LICENCE_NOT_ACCEPTED: {"model": "m", "licence": "L", "url": "https://x"},
    ErrorCode.NO_CONNECTION: {"host": "huggingface.co"},
    ErrorCode.TLS_FAILED: {"host": "huggingface.co"},
    ErrorCode.NOT_A_HUB: {"host": "huggingface.co"},
    ErrorCode.HUB_TROUBLE: {"status": 503},
    ErrorCode.REPO_NOT_FOUND: {"repo": "a/b"},
    ErrorCode.REVISION_GONE: {"repo": "a/b"},
    ErrorCode.FILE_NOT_IN_REPO: {"repo": "a/b", "file": "vae/model.safetensors"},
    ErrorCode.REPO_HOSTILE: {"repo": "a/b", "what": "a file outside its folder"},
    ErrorCode.GATED_NO_TOKEN: {"repo": "a/b", "url": "https://x"},
    ErrorCode.GATED_TOKEN_SCOPE: {"repo": "a/b", "url": "https://x"},
    ErrorCode.GATED_NOT_ACCEPTED: {"repo": "a/b", "url": "https://x"},
    ErrorCode.GATED_AWAITING: {"repo": "a/b", "url": "https://x"},
    ErrorCode.TOKEN_REFUSED: {"url": "https://x"},
    ErrorCode.CHECKSUM_WRONG: {"file": "a.safetensors"},
    ErrorCode.ROOM_SHORT: {"needed_gb": 7.1, "free_gb": 5.1, "path": "/p"},
    ErrorCode.STORAGE_BUSY: {"what": "they are being moved"},
    ErrorCode.FOLDER_GONE: {"path": "/media/disk"},
    ErrorCode.HUB_PROCESS_FAILED: {"reason": "exit code 1"},
    ErrorCode.OUT_OF_MEMORY: {"needed_gb": 7.1, "free_gb": 5.1},
    ErrorCode.DEVICE_FAILED: {"device": "RTX 3060"},
    ErrorCode.DISK_FULL: {"path": "/p"},
    ErrorCode.FOLDER_NOT_WRITABLE: {"path": "/p"},
    ErrorCode.RESULT_BROKEN: {"what": "nan"},
    ErrorCode.ENGINE_MISSING: {"what": "torch"},
    ErrorCode.ENGINE_CRASHED: {"reason": "exit code 1"},
    ErrorCode.LIBRARY_DAMAGED: {"path": "/p"},
    ErrorCode.LIBRARY_UNUSABLE: {"path": "/p"},
    ErrorCode.SETTINGS_DAMAGED: {"what": "Setting “theme” has a value that cannot be used."},
}


@pytest.mark.parametrize("code", list(ErrorCode))
def test_words_are_whole_sentences_and_take_their_facts(code: ErrorCode) -> None:
    text = words(ErrorInfo(code, FACTS.get(code, {})))
    assert text.sentence.endswith(".")
    assert not text.advice or text.advice.endswith(".")
    assert "?" not in text.sentence + text.advice, "a fact is missing"
    assert "{" not in text.sentence + text.advice
    assert text.action in ACTION_WORDS


def test_facts_that_are_missing_do_not_break_the_message() -> None:
    assert words(ErrorInfo(ErrorCode.OUT_OF_MEMORY)).sentence == (
        "There is not enough memory: about ? GB are needed, ? GB are free."
    )


def test_problems_speak_for_themselves() -> None:
    problems = (Problem("steps", "0", "Steps must be more."), Problem("width", "7", "Width is odd."))
    info = AtelierError(ErrorCode.INVALID_INPUT, problems=problems).info
    assert as_text(info) == "Steps must be more. Width is odd."
    assert words(info).action is Action.EDIT_INPUTS


def test_notices_have_words_and_unknown_ones_are_shown_as_they_are() -> None:
    assert notice_words("retried", {"reason": "exit code 9"}) == (
        "The engine stopped (exit code 9); the job was started again."
    )
    assert notice_words("from the future", {}) == "from the future"


def raised_facts() -> dict[str, set[str]]:
    """For each code, the names of facts given wherever it is raised or made in our sources."""
    found: dict[str, set[str]] = {}
    for path in (file for room in ("app", "models") for file in (ROOT / room).rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and call.args and isinstance(call.args[0], ast.Attribute):
                target, code = ast.unparse(call.func), call.args[0]
                if target == "AtelierError" and ast.unparse(code.value) == "ErrorCode":
                    names = {word.arg for word in call.keywords if word.arg} - {"problems", "detail"}
                    found.setdefault(code.attr, set()).update(names)
    return found


def test_templates_use_only_facts_that_are_given() -> None:
    raised = raised_facts()
    assert len(raised) > 8, "the sources were read"
    for code, template in _ERRORS.items():
        wanted = {name for text in template[:2] for _, name, _, _ in string.Formatter().parse(text) if name}
        assert wanted <= set(FACTS.get(code, {})), code
        if code.name in raised and wanted:
            assert wanted <= raised[code.name], f"{code.name} is raised without {wanted - raised[code.name]}"
