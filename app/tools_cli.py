"""``atelier upscale``, ``cutout`` and ``describe``: the tools for one picture, through the same queue as all."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import NamedTuple

from app.models import Models
from models.errors import AtelierError, ErrorCode


class Command(NamedTuple):
    """A command stands for a kind of add-on; ``else_`` is what is used while none is here, ``get`` what to download."""

    kind: str
    summary: str
    get: str
    else_: str = ""


COMMANDS = {
    "upscale": Command("upscaler", "make a picture larger", "realesrgan-x4", "lanczos"),
    "cutout": Command("background-removal", "take a picture's background away", "birefnet-lite"),
    "describe": Command("caption", "say in words what is in a picture", "blip-base"),
}


def add_parsers(add: Callable[..., argparse.ArgumentParser]) -> None:
    """``add`` is the ``add_parser`` of the commands."""
    for name, command in COMMANDS.items():
        _options(name, add(name, help=command.summary, description=f"{command.summary.capitalize()}."))


def _options(name: str, parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("image", metavar="FILE", help="the picture")
    add("--model", metavar="ID", help="which one is used; a model's id or file (default: the first that is here)")
    if name == "upscale":
        add("--scale", metavar="N", help="how many times as wide and as high, 1 to 8 (default: 2)")
        add(
            "--prompt",
            metavar="WORDS",
            help="what the picture shows, for a model that makes pictures: it works in tiles",
        )
        add("--strength", metavar="N", help="with --prompt: how much is made anew, 0 to 1 (default: 0.3)")
    if name == "describe":
        add("--length", metavar="WORD", help="short, detailed or “very detailed”")
        add("--question", metavar="WORDS", help="what you want to know, for models that answer questions")
    add("-i", "--input", metavar="KEY=VALUE", action="append", default=[], help="any input of the model")
    if name != "describe":
        add("--out", metavar="FILE|DIR", help="also put a copy there")
    add("--json", action="store_true", help="one JSON object a line: events, and last the result")


def arguments(options: argparse.Namespace) -> list[str]:
    """What ``atelier generate`` would be called with; the model is chosen later, by ``chosen``."""
    pairs = {pair.partition("=")[0]: pair for pair in options.input}
    for name in ("scale", "length", "question", "strength"):
        if (value := getattr(options, name, None)) is not None:
            pairs[name] = f"{name}={value}"
    prompt = getattr(options, "prompt", None)
    if prompt is not None:  # a model that makes pictures: it enlarges in tiles
        pairs["enlarge"] = f"enlarge={pairs.pop('scale', 'scale=2').partition('=')[2]}"
        pairs.setdefault("strength", "strength=0.3")
    words = ["generate", "--image", options.image]
    for flag in ("model", "out"):
        words += [f"--{flag}", value] if (value := getattr(options, flag, None)) is not None else []
    for pair in pairs.values():
        words += ["-i", pair]
    words += ["--json"] if options.json else []
    return [*words, *(["--", prompt] if prompt is not None else [])]


def tool_of(options: argparse.Namespace) -> str:
    """The command whose tool is to be used; none where a model makes the picture."""
    return "" if getattr(options, "prompt", None) is not None else str(options.command)


def chosen(models: Models, command: str) -> str:
    """The id of the tool that ``command`` uses when none is named.

    Raises:
        AtelierError: MODEL_NOT_INSTALLED, naming one to download.
    """
    about = COMMANDS[command]
    here = usable(models, command)
    if here:
        return here[0]
    if about.else_:
        return about.else_
    detail = f"One that does this can be downloaded: atelier models pull {about.get}"
    raise AtelierError(ErrorCode.MODEL_NOT_INSTALLED, detail, model=about.get)


def usable(models: Models, command: str) -> Sequence[str]:
    """The ids of what is here for ``command``."""
    about = COMMANDS[command]
    here = [addon.id for addon in models.addons() if addon.kind == about.kind and addon.problem is None]
    return [*here, *([about.else_] if about.else_ else [])] if here else []
