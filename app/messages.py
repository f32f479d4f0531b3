"""The words for every error and notice: one plain sentence, what to do about it, and the action offered.

Templates are filled with the error's facts. The window and the command line both speak through here; a test checks
that every code has words and that its facts fit.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from models.errors import ErrorCode, ErrorInfo, Fact


class Action(StrEnum):
    """What the button beside an error does."""

    NONE = ""
    RETRY = "retry"
    DECODE_AGAIN = "decode_again"
    CHOOSE_MODEL = "choose_model"
    OPEN_SETTINGS = "open_settings"
    OPEN_FOLDER = "open_folder"
    RESTART_ENGINE = "restart_engine"
    EDIT_INPUTS = "edit_inputs"


ACTION_WORDS: dict[Action, str] = {
    Action.NONE: "",
    Action.RETRY: "Try again",
    Action.DECODE_AGAIN: "Finish again",
    Action.CHOOSE_MODEL: "Choose a model",
    Action.OPEN_SETTINGS: "Open settings",
    Action.OPEN_FOLDER: "Open folder",
    Action.RESTART_ENGINE: "Restart the engine",
    Action.EDIT_INPUTS: "Change it",
}


class Words(NamedTuple):
    """``sentence`` says what happened, ``advice`` what to do; both are ready to show."""

    sentence: str
    advice: str
    action: Action


_C = ErrorCode
_ERRORS: dict[ErrorCode, Words] = {
    _C.INVALID_INPUT: Words("An input is not right.", "Change it and try again.", Action.EDIT_INPUTS),
    _C.PICTURE_UNREADABLE: Words(
        "The picture {path} could not be read.", "Open it in another program and save it as PNG.", Action.EDIT_INPUTS
    ),
    _C.MODEL_NOT_INSTALLED: Words(
        "The model “{model}” is not on this computer.",
        "Choose one that is, or give the folder of a model in diffusers layout.",
        Action.CHOOSE_MODEL,
    ),
    _C.MODEL_INCOMPLETE: Words(
        "A file of the model “{model}” is missing: {file}.", "Copy or download the model again.", Action.CHOOSE_MODEL
    ),
    _C.MODEL_CORRUPT: Words(
        "A file of the model “{model}” is damaged: {file}.", "Copy or download the model again.", Action.CHOOSE_MODEL
    ),
    _C.MODEL_UNSUPPORTED: Words(
        "Atelier cannot run “{model}” ({pipeline}).",
        "Choose a model that makes pictures from text.",
        Action.CHOOSE_MODEL,
    ),
    _C.MODEL_NEEDS_PICKLE: Words(
        "“{model}” comes only in an old file format that can carry harmful code.",
        "Look for a version of it in safetensors files.",
        Action.CHOOSE_MODEL,
    ),
    _C.MODEL_NEEDS_REMOTE_CODE: Words(
        "“{model}” brings program code of its own, which Atelier does not run.",
        "Choose another model.",
        Action.CHOOSE_MODEL,
    ),
    _C.OUT_OF_MEMORY: Words(
        "There is not enough memory: about {needed_gb} GB are needed, {free_gb} GB are free.",
        "Make a smaller picture, close other programs, or choose a smaller model.",
        Action.RETRY,
    ),
    _C.DEVICE_FAILED: Words(
        "The graphics device ({device}) does not work as it should.",
        "Update its driver, or run on the processor (Settings).",
        Action.OPEN_SETTINGS,
    ),
    _C.DISK_FULL: Words(
        "The disk is full: nothing more can be saved in {path}.",
        "Free some room, then finish again.",
        Action.DECODE_AGAIN,
    ),
    _C.FOLDER_NOT_WRITABLE: Words(
        "Atelier cannot write into {path}.", "Choose another folder, or change its permissions.", Action.OPEN_SETTINGS
    ),
    _C.RESULT_BROKEN: Words(
        "The model gave a broken picture ({what}), twice.",
        "Try another size, fewer steps, another scheduler, or less guidance.",
        Action.EDIT_INPUTS,
    ),
    _C.ENGINE_MISSING: Words(
        "A part of the engine is not installed: {what}.", "Run the installer again to repair it.", Action.RESTART_ENGINE
    ),
    _C.ENGINE_START_FAILED: Words(
        "The engine could not be started.",
        "Restart it; if that does not help, run “atelier doctor”.",
        Action.RESTART_ENGINE,
    ),
    _C.ENGINE_CRASHED: Words(
        "The engine stopped unexpectedly ({reason}).",
        "Try again. The window and your pictures are not affected.",
        Action.RETRY,
    ),
    _C.ENGINE_UNRESPONSIVE: Words("The engine did not answer and was restarted.", "Try again.", Action.RETRY),
    _C.LIBRARY_DAMAGED: Words(
        "The list of pictures was damaged and has been set aside as {path}.",
        "Your picture files are untouched; a new list was begun.",
        Action.OPEN_FOLDER,
    ),
    _C.LIBRARY_UNUSABLE: Words(
        "The list of pictures {path} cannot be opened.",
        "Close other programs that use it, and see that its folder can be written and has room.",
        Action.NONE,
    ),
    _C.SETTINGS_DAMAGED: Words("Some settings could not be used.", "{what}", Action.OPEN_SETTINGS),
    _C.INTERNAL: Words("Something went wrong inside Atelier.", "Try again. Details help us to mend it.", Action.RETRY),
}

_NOTICES: dict[str, str] = {
    "cheaper_plan": "Memory ran out, so Atelier goes on in a way that needs less: {plan}.",
    "decode_tiled": "Memory was short, so the picture is finished in tiles.",
    "decode_on_cpu": "Memory was short, so the picture is finished on the processor.",
    "decoded_again_float32": "The picture came out broken and is finished again more precisely.",
    "run_again_float32": "The picture came out broken and is made again more precisely.",
    "result_black": "The picture is entirely black.",
    "retried": "The engine stopped ({reason}); the job was started again.",
    "latents_not_kept": "The steps could not be written down; if the engine stops now they have to be done again.",
    "latents_reused": "The steps were already done; only the picture is finished again.",
}


class _Facts(dict[str, Fact]):
    def __missing__(self, key: str) -> str:
        return "?"


def words(error: ErrorInfo) -> Words:
    """What to tell a person about ``error``."""
    plain = _ERRORS[error.code]
    if error.problems:
        return Words(" ".join(problem.sentence for problem in error.problems), "", plain.action)
    facts = _Facts(error.facts)
    return Words(plain.sentence.format_map(facts), plain.advice.format_map(facts), plain.action)


def notice_words(code: str, facts: dict[str, Fact]) -> str:
    """One sentence for a notice; an unknown code (from a newer engine) is shown as it is."""
    return _NOTICES.get(code, code).format_map(_Facts(facts))


def as_text(error: ErrorInfo) -> str:
    """Sentence and advice on one line, for the command line."""
    plain = words(error)
    return f"{plain.sentence} {plain.advice}".strip()
