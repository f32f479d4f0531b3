"""The command line: ``atelier generate``, ``models``, ``help`` and ``doctor``; without arguments the window.

It is a second front end on the same core as the window. Results go to standard output, everything else to standard
error. Exit codes: 0 done, 1 failed, 2 wrong usage or an invalid input, 3 model not installed, 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import msgspec

from app.core import version
from app.engine import engine_python
from app.paths import ASSETS, default_paths
from app.terminal import DONE, USAGE, complain, print_json, print_line, warn
from models.errors import disk_error


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    if not arguments:
        if no_screen():
            warn("There is no screen to open a window on. See “atelier --help” for the rest.")
            return USAGE
        import ui  # the one door from the core to the window, opened only here

        return ui.main()
    options = parser().parse_args(arguments)
    if options.command == "generate":
        from app.generate import generate

        return generate(options)
    if options.command in ("upscale", "cutout", "describe"):
        from app import tools_cli
        from app.generate import generate

        meant = parser().parse_args(tools_cli.arguments(options))
        meant.tool = tools_cli.tool_of(options)
        return generate(meant)
    if options.command == "models":
        from app.models_cli import models

        return models(options)
    if options.command == "prompts":
        from app.prompts_cli import prompts

        return prompts(options)
    if options.command in ("grid", "tile"):
        from app import grid_cli

        return grid_cli.grid(options) if options.command == "grid" else grid_cli.tile(options)
    if options.command == "history":
        from app.history_cli import history

        return history(options)
    if options.command == "help":
        from app.help_cli import help_pages

        return help_pages(options)
    return doctor(options)


def no_screen() -> bool:
    """True where Qt would only abort: Linux without a display server, and no other platform chosen."""
    wanted = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    return sys.platform == "linux" and not any(os.environ.get(name) for name in wanted)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="atelier", description="Run open image models on your own machine. Without a command the window opens."
    )
    top.add_argument("--version", action="version", version=f"Atelier {version()}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_generate(commands.add_parser("generate", help="make pictures from a prompt", description="Make pictures."))
    from app import models_cli

    models_cli.add_parser(
        commands.add_parser("models", help="find, download, import, check and remove models", description="Models.")
    )
    from app import help_cli, prompts_cli

    prompts_cli.add_parser(
        commands.add_parser("prompts", help="expansions, wildcards, styles and presets", description="Prompts.")
    )
    from app import grid_cli

    grid_cli.add_parser(
        commands.add_parser("grid", help="a picture for each value of up to three inputs", description="Make a grid.")
    )
    grid_cli.add_tile_parser(
        commands.add_parser("tile", help="how well a texture's edges meet; its tile sheet", description="Textures.")
    )
    from app import tools_cli

    tools_cli.add_parsers(commands.add_parser)
    from app import history_cli

    history_cli.add_parser(
        commands.add_parser("history", help="find, export, import and sort out pictures", description="Pictures.")
    )
    help_cli.add_parser(
        commands.add_parser("help", help="pages about everything there is", description="Read the help.")
    )
    check = commands.add_parser(
        "doctor", help="say what machine this is, what will run and why not", description="Look at this machine."
    )
    check.add_argument("--json", action="store_true", help="one JSON object instead of text")
    return top


def _add_generate(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    words = "what the picture should show; models that vary a picture need none, only --image"
    add("prompt", metavar="PROMPT", nargs="?", help=words)
    add("--model", metavar="ID", help="model id, or the folder of a model in diffusers layout (default: the last used)")
    add("--seed", metavar="N", help="the same seed makes the same picture; left out: random")
    add("--steps", metavar="N", help="more steps take longer and often look better")
    add("--image", metavar="FILE", help="a picture to start from, for models that take one")
    add("--mask", metavar="FILE", help="white where the picture is to be changed")
    words = "a LoRA by its name or file, with its weight (1 if left out); may be given several times"
    add("--lora", metavar="NAME[:WEIGHT]", action="append", default=[], help=words)
    add("--fast", action="store_true", help="few steps, by a few-step LoRA of the model (LCM, Lightning, Hyper, Turbo)")
    add(
        "-i",
        "--input",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="any input of the model; may be repeated",
    )
    add("--style", metavar="NAME", action="append", default=[], help="words around the prompt; may be repeated")
    add("--preset", metavar="NAME", help="a saved set of inputs; what is given beside it counts more")
    from app import craft_cli

    craft_cli.add_options(command)
    add("--count", metavar="N", type=int, default=1, help="how many pictures, with seeds N, N+1, ...")
    add("--out", metavar="FILE|DIR", help="also put a copy there (all pictures are kept in the library)")
    add("--json", action="store_true", help="one JSON object a line: events, and last the result")


def doctor(options: argparse.Namespace) -> int:
    from app import doctor as examiner
    from app.events import EventBus
    from app.models import Models, default_hub_cache
    from app.settings import SettingsStore

    try:
        paths = default_paths().create()
    except OSError as error:
        return complain(disk_error(error))
    settings = SettingsStore(paths.settings)
    models = Models(settings, EventBus(), ASSETS, default_hub_cache())
    folders = {"pictures": paths.pictures, "data": paths.data, "cache": paths.cache}
    cards = [entry.card for entry in models.entries()]
    report = examiner.collect(folders, cards, engine_python(settings.value.engine_python))
    if options.json:
        print_json(msgspec.to_builtins(report))
    else:
        print_line(examiner.render(report))
    return DONE
