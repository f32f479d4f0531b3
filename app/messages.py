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
    SIGN_IN = "sign_in"
    OPEN_LINK = "open_link"
    GO_ON = "go_on"
    OPEN_STORAGE = "open_storage"
    GET_MODEL = "get_model"
    GO_ONLINE = "go_online"


ACTION_WORDS: dict[Action, str] = {
    Action.NONE: "",
    Action.RETRY: "Try again",
    Action.DECODE_AGAIN: "Finish again",
    Action.CHOOSE_MODEL: "Choose a model",
    Action.OPEN_SETTINGS: "Open settings",
    Action.OPEN_FOLDER: "Open folder",
    Action.RESTART_ENGINE: "Restart the engine",
    Action.EDIT_INPUTS: "Change it",
    Action.SIGN_IN: "Sign in",
    Action.OPEN_LINK: "Open its page",
    Action.GO_ON: "Go on",
    Action.OPEN_STORAGE: "Open storage",
    Action.GET_MODEL: "Get it",
    Action.GO_ONLINE: "Go online",
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
        "The picture {path} cannot be used: {reason}.",
        "Choose another one, or save it as PNG in another program.",
        Action.EDIT_INPUTS,
    ),
    _C.MODEL_NOT_INSTALLED: Words(
        "The model “{model}” is not on this computer.",
        "Get it on the Models page, choose one that is here, or give the folder of a model in diffusers layout.",
        Action.GET_MODEL,
    ),
    _C.MODEL_INCOMPLETE: Words(
        "A file of the model “{model}” is missing: {file}.",
        "Go on with its download, or copy the model again.",
        Action.CHOOSE_MODEL,
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
    _C.ADDON_BROKEN: Words(
        "“{name}” cannot be used: {reason} ({file}).", "Get it again, or leave it out.", Action.EDIT_INPUTS
    ),
    _C.ADDON_MISFIT: Words(
        "“{name}” does not fit this model: {matched} of its {layers} layers match. It was made for {made_for}.",
        "Leave it out, or choose a model of that family.",
        Action.EDIT_INPUTS,
    ),
    _C.MODEL_NEEDS_REMOTE_CODE: Words(
        "“{model}” brings program code of its own, which Atelier does not run.",
        "Choose another model.",
        Action.CHOOSE_MODEL,
    ),
    _C.FILE_UNKNOWN: Words(
        "{file} is no model file that Atelier knows.",
        "It takes checkpoints, LoRAs, VAEs, embeddings and upscalers as .safetensors or .gguf, and diffusers folders.",
        Action.NONE,
    ),
    _C.BASE_MISSING: Words(
        "“{model}” holds only part of a {family} model; the rest comes from “{base}”, which is not on this computer.",
        "Download that one first.",
        Action.GET_MODEL,
    ),
    _C.MODEL_IN_USE: Words(
        "“{model}” is in use just now.", "Wait until its pictures are done, or cancel them.", Action.NONE
    ),
    _C.LICENCE_NOT_ACCEPTED: Words(
        "The licence of “{model}” ({licence}) has not been accepted yet.",
        "Read it at {url} and accept it.",
        Action.OPEN_LINK,
    ),
    _C.OFFLINE: Words(
        "Atelier is offline, and this needs a connection.",
        "Turn off “Work offline” in the settings (or ATELIER_OFFLINE).",
        Action.GO_ONLINE,
    ),
    _C.NO_CONNECTION: Words(
        "{host} cannot be reached.", "Check the connection to the internet, then go on.", Action.GO_ON
    ),
    _C.CONNECTION_LOST: Words(
        "The connection was lost.", "What has arrived is kept; go on when it is back.", Action.GO_ON
    ),
    _C.PROXY_FAILED: Words(
        "The proxy did not let the request through.",
        "Check the proxy of this computer (HTTPS_PROXY), then go on.",
        Action.GO_ON,
    ),
    _C.TLS_FAILED: Words(
        "The connection to {host} is not secure: its certificate was refused.",
        "Check the date of this computer and its proxy or virus scanner, then go on.",
        Action.GO_ON,
    ),
    _C.NOT_A_HUB: Words(
        "{host} does not answer as a model hub does.",
        "Sign in to the network if it has a login page, or correct the address of the mirror (HF_ENDPOINT).",
        Action.GO_ON,
    ),
    _C.HUB_TROUBLE: Words(
        "The model hub has trouble (it answered {status}).",
        "Go on in a few minutes; what has arrived is kept.",
        Action.GO_ON,
    ),
    _C.RATE_LIMITED: Words(
        "The model hub asks to slow down.", "Go on in a few minutes, or sign in: that raises the limit.", Action.GO_ON
    ),
    _C.REPO_NOT_FOUND: Words(
        "There is no “{repo}” on the hub, or it is private.",
        "Check the name, or sign in if it is yours.",
        Action.SIGN_IN,
    ),
    _C.REVISION_GONE: Words(
        "This version of “{repo}” is no longer on the hub.",
        "Start the download again to get the present one.",
        Action.RETRY,
    ),
    _C.FILE_NOT_IN_REPO: Words(
        "“{repo}” has no file {file} on the hub.",
        "Its authors may have renamed or removed it. Look at its page, or choose another model.",
        Action.CHOOSE_MODEL,
    ),
    _C.REPO_HOSTILE: Words(
        "“{repo}” is not well formed and was refused: {what}.", "Choose another source.", Action.CHOOSE_MODEL
    ),
    _C.GATED_NO_TOKEN: Words(
        "The authors of “{repo}” want to know who downloads it.",
        "Sign in with a free account of the hub, and accept the licence at {url}.",
        Action.SIGN_IN,
    ),
    _C.GATED_TOKEN_SCOPE: Words(
        "Your access token does not allow to read gated repositories such as “{repo}”.",
        "Allow it at {url}, or sign in with another token of type “read”.",
        Action.OPEN_LINK,
    ),
    _C.GATED_NOT_ACCEPTED: Words(
        "You have not accepted the licence of “{repo}” yet.", "Accept it at {url}, then go on.", Action.OPEN_LINK
    ),
    _C.GATED_AWAITING: Words(
        "The authors of “{repo}” have not yet answered your request.",
        "See {url}; go on when they have.",
        Action.OPEN_LINK,
    ),
    _C.TOKEN_REFUSED: Words(
        "The hub does not know this access token (any more).", "Sign in with a new one from {url}.", Action.SIGN_IN
    ),
    _C.CHECKSUM_WRONG: Words(
        "{file} arrived damaged, twice; it was thrown away.",
        "Go on to fetch it again. If this happens again, a proxy or the disk may change files.",
        Action.GO_ON,
    ),
    _C.ROOM_SHORT: Words(
        "The disk has no room: {needed_gb} GB are needed in {path}, {free_gb} GB are free.",
        "Remove models that you do not use, or move them to another disk.",
        Action.OPEN_STORAGE,
    ),
    _C.STORAGE_BUSY: Words(
        "The models on the disk are being worked on just now: {what}.",
        "Wait until that is done, or stop it.",
        Action.NONE,
    ),
    _C.FOLDER_GONE: Words(
        "“{path}” is not there.",
        "Connect the disk it is on, or choose another folder. Nothing was forgotten.",
        Action.OPEN_STORAGE,
    ),
    _C.HUB_PROCESS_FAILED: Words(
        "The part of Atelier that downloads stopped unexpectedly ({reason}).",
        "What has arrived is kept; go on.",
        Action.GO_ON,
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
    "nothing_found": "Nothing was found to make finer ({what}).",
    "smaller_tiles": "Memory was short, so the picture is worked on in tiles of {tile} pixels.",
    "upscale_on_cpu": "Memory was short, so the picture is enlarged on the processor.",
    "decode_on_cpu": "Memory was short, so the picture is finished on the processor.",
    "decoded_again_float32": "The picture came out broken and is finished again more precisely.",
    "run_again_float32": "The picture came out broken and is made again more precisely.",
    "result_black": "The picture is entirely black.",
    "retried": "The engine stopped ({reason}); the job was started again.",
    "latents_not_kept": "The steps could not be written down; if the engine stops now they have to be done again.",
    "syntax_not_read": "“{what}” was read as plain words: prompts that change from step to step are not supported.",
    "weights_not_read": "This model does not weigh words: the numbers in brackets were left out.",
    "lora_partly": "Of “{name}” {matched} of {layers} layers fit this model; the others are left out.",
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
