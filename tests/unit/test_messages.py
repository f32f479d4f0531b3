"""Every error code has words, and its facts fit into them."""

from __future__ import annotations

import string

import pytest

from app.messages import ACTION_WORDS, Action, as_text, notice_words, words
from models.errors import AtelierError, ErrorCode, ErrorInfo, Problem

# The facts each code is raised with, as everywhere in the code.
FACTS: dict[ErrorCode, dict[str, str | int | float]] = {
    ErrorCode.PICTURE_UNREADABLE: {"path": "a.png"},
    ErrorCode.MODEL_NOT_INSTALLED: {"model": "m"},
    ErrorCode.MODEL_INCOMPLETE: {"model": "m", "file": "unet/x.safetensors"},
    ErrorCode.MODEL_CORRUPT: {"model": "m", "file": "unet/x.safetensors"},
    ErrorCode.MODEL_UNSUPPORTED: {"model": "m", "pipeline": "P"},
    ErrorCode.MODEL_NEEDS_PICKLE: {"model": "m"},
    ErrorCode.MODEL_NEEDS_REMOTE_CODE: {"model": "m"},
    ErrorCode.OUT_OF_MEMORY: {"needed_gb": 7.1, "free_gb": 5.1},
    ErrorCode.DEVICE_FAILED: {"device": "RTX 3060"},
    ErrorCode.DISK_FULL: {"path": "/p"},
    ErrorCode.FOLDER_NOT_WRITABLE: {"path": "/p"},
    ErrorCode.RESULT_BROKEN: {"what": "nan"},
    ErrorCode.ENGINE_MISSING: {"what": "torch"},
    ErrorCode.ENGINE_CRASHED: {"reason": "exit code 1"},
    ErrorCode.LIBRARY_DAMAGED: {"path": "/p"},
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


def test_no_template_uses_an_unusual_field() -> None:
    known = {"path", "model", "file", "pipeline", "needed_gb", "free_gb", "device", "what", "reason"}
    for code in ErrorCode:
        text = words(ErrorInfo(code, dict.fromkeys(known, "x")))
        assert not [name for _, name, _, _ in string.Formatter().parse(text.sentence) if name]
