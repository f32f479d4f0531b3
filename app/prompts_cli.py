"""``atelier prompts``: expansions, wildcards, styles and presets on the command line."""

from __future__ import annotations

import argparse
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.paths import ASSETS, default_paths
from app.prompting.expand import PromptError
from app.prompting.service import Prompting
from app.terminal import DONE, complain, print_json, print_line
from models.errors import AtelierError, InvalidInputError, Problem, disk_error
from models.inputs import MAX_SEED

MOST_EXAMPLES = 1000


def add_parser(command: argparse.ArgumentParser) -> None:
    commands = command.add_subparsers(dest="what", required=True, metavar="WHAT")
    expand = commands.add_parser("expand", help="show what alternatives and wildcards in a prompt become")
    expand.add_argument("text", metavar="TEXT", help="a prompt with {a|b} and __wildcards__")
    expand.add_argument("--seed", metavar="N", type=int, help="of the first one; left out: random")
    expand.add_argument("--count", metavar="N", type=int, default=1, help="how many, with seeds N, N+1, ...")
    expand.add_argument("--style", metavar="NAME", action="append", default=[], help="a style around it; repeatable")
    expand.add_argument("--json", action="store_true", help="one JSON object instead of text")
    _add_collection(commands, "wildcards", "files of lines, called __name__ in prompts", "a file or folder", False)
    _add_collection(commands, "styles", "words around a prompt", "styles.csv (A1111) or a JSON file (Fooocus)", True)
    _add_collection(commands, "presets", "saved sets of inputs", "an exported JSON file", True)


def _add_collection(commands: Any, name: str, words: str, source: str, exports: bool) -> None:
    actions = commands.add_parser(name, help=words).add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="what there is")
    show = actions.add_parser("show", help="one of them as it is")
    show.add_argument("name", metavar="NAME")
    take = actions.add_parser("import", help=f"take in {source}")
    take.add_argument("source", metavar="FILE|FOLDER" if name == "wildcards" else "FILE")
    remove = actions.add_parser("remove", help="take one away")
    remove.add_argument("name", metavar="NAME")
    several = [listing, show, take, remove]
    if exports:
        export = actions.add_parser("export", help="write them into one file")
        export.add_argument("target", metavar="FILE")
        export.add_argument("name", metavar="NAME", nargs="*", help="only these")
        several.append(export)
    for each in several:
        each.add_argument("--json", action="store_true", help="one JSON object instead of text")


def prompts(options: argparse.Namespace) -> int:
    """Run one of the commands; the exit code."""
    prompting = Prompting(default_paths().data, ASSETS)
    try:
        if options.what == "expand":
            return _expand(prompting, options)
        return _COMMANDS[options.what, options.action](prompting, options)
    except PromptError as error:
        where = getattr(options, "name", None) or getattr(options, "source", None) or getattr(options, "text", "")
        return complain(InvalidInputError(Problem(options.what, str(where), str(error))))
    except OSError as error:
        path = str(getattr(options, "target", "") or getattr(options, "source", ""))
        if isinstance(error, FileNotFoundError):
            return complain(InvalidInputError(Problem(options.what, path, f"There is no file {error.filename}.")))
        return complain(disk_error(error, path))
    except AtelierError as error:
        return complain(error)


def _expand(prompting: Prompting, options: argparse.Namespace) -> int:
    if not 1 <= options.count <= MOST_EXAMPLES:
        raise PromptError(f"--count must be a whole number from 1 to {MOST_EXAMPLES}; “{options.count}” was given.")
    if options.seed is not None and not 0 <= options.seed <= MAX_SEED:
        raise PromptError(f"--seed must be a whole number from 0 to {MAX_SEED}; “{options.seed}” was given.")
    first = options.seed if options.seed is not None else secrets.randbelow(MAX_SEED + 1)
    seeds = [(first + number) % (MAX_SEED + 1) for number in range(options.count)]
    texts = prompting.examples(options.text, seeds, options.style)
    if options.json:
        pairs = zip(seeds, texts, strict=True)
        print_json({"prompts": [{"seed": seed, "prompt": text} for seed, text in pairs]})
    else:
        for text in texts:
            print_line(text)
    return DONE


def _list(options: argparse.Namespace, rows: list[dict[str, Any]], line: Callable[[dict[str, Any]], str]) -> int:
    if options.json:
        print_json({options.what: rows})
        return DONE
    width = max((len(row["name"]) for row in rows), default=0)
    for row in rows:
        print_line(f"{row['name']:<{width}}  {line(row)}".rstrip())
    return DONE


def _done(options: argparse.Namespace, verb: str, names: list[str]) -> int:
    if options.json:
        print_json({verb: names})
    else:
        print_line(f"{verb.capitalize()}: {', '.join(names)}")
    return DONE


# -- wildcards


def _wildcards_list(prompting: Prompting, options: argparse.Namespace) -> int:
    rows = [
        {
            "name": file.name, "names": list(file.names), "values": file.count, "path": str(file.path),
            "own": file.own, "problem": file.problem,
        }
        for file in prompting.wildcards.files()
    ]  # fmt: skip

    def line(row: dict[str, Any]) -> str:
        from_us = "" if row["own"] else "  (comes with Atelier)"
        return row["problem"] or f"{row['values']} values{from_us}"

    return _list(options, rows, line)


def _wildcards_show(prompting: Prompting, options: argparse.Namespace) -> int:
    text = prompting.wildcards.text(options.name)
    if options.json:
        print_json({"name": options.name, "text": text})
    else:
        print_line(text.rstrip("\n"))
    return DONE


def _wildcards_import(prompting: Prompting, options: argparse.Namespace) -> int:
    return _done(options, "imported", prompting.wildcards.take_in(Path(options.source)))


def _wildcards_remove(prompting: Prompting, options: argparse.Namespace) -> int:
    path, _ = prompting.wildcards.remove(options.name)
    return _done(options, "removed", [path.stem])


# -- styles


def _styles_list(prompting: Prompting, options: argparse.Namespace) -> int:
    rows = [
        {"name": s.name, "prompt": s.prompt, "negative_prompt": s.negative_prompt, "own": s.own}
        for s in prompting.styles.all()
    ]
    return _list(options, rows, lambda row: " ".join(row["prompt"].split())[:100])


def _styles_show(prompting: Prompting, options: argparse.Namespace) -> int:
    style = prompting.styles.find([options.name])[0]
    if options.json:
        print_json({"name": style.name, "prompt": style.prompt, "negative_prompt": style.negative_prompt})
        return DONE
    print_line(style.prompt)
    if style.negative_prompt:
        print_line(f"Avoid: {style.negative_prompt}")
    return DONE


def _styles_import(prompting: Prompting, options: argparse.Namespace) -> int:
    return _done(options, "imported", prompting.styles.take_in(Path(options.source)))


def _styles_export(prompting: Prompting, options: argparse.Namespace) -> int:
    target = Path(options.target).expanduser()
    return _done(options, "exported", [f"{prompting.styles.export(target, options.name)} into {target}"])


def _styles_remove(prompting: Prompting, options: argparse.Namespace) -> int:
    return _done(options, "removed", [prompting.styles.remove(options.name).name])


# -- presets


def _presets_list(prompting: Prompting, options: argparse.Namespace) -> int:
    rows = [{"name": p.name, "model": p.model, "inputs": p.inputs, "styles": p.styles} for p in prompting.presets.all()]
    return _list(options, rows, lambda row: f"{row['model']}: {', '.join(row['inputs'])}")


def _presets_show(prompting: Prompting, options: argparse.Namespace) -> int:
    preset = prompting.presets.find(options.name)
    if options.json:
        print_json({"name": preset.name, "model": preset.model, "inputs": preset.inputs, "styles": preset.styles})
        return DONE
    print_line(f"model: {preset.model}")
    for name, value in preset.inputs.items():
        print_line(f"{name}: {value}")
    if preset.styles:
        print_line(f"styles: {', '.join(preset.styles)}")
    return DONE


def _presets_import(prompting: Prompting, options: argparse.Namespace) -> int:
    return _done(options, "imported", prompting.presets.take_in(Path(options.source)))


def _presets_export(prompting: Prompting, options: argparse.Namespace) -> int:
    target = Path(options.target).expanduser()
    return _done(options, "exported", [f"{prompting.presets.export(target, options.name)} into {target}"])


def _presets_remove(prompting: Prompting, options: argparse.Namespace) -> int:
    return _done(options, "removed", [prompting.presets.remove(options.name).name])


_COMMANDS: dict[tuple[str, str], Callable[[Prompting, argparse.Namespace], int]] = {
    ("wildcards", "list"): _wildcards_list,
    ("wildcards", "show"): _wildcards_show,
    ("wildcards", "import"): _wildcards_import,
    ("wildcards", "remove"): _wildcards_remove,
    ("styles", "list"): _styles_list,
    ("styles", "show"): _styles_show,
    ("styles", "import"): _styles_import,
    ("styles", "export"): _styles_export,
    ("styles", "remove"): _styles_remove,
    ("presets", "list"): _presets_list,
    ("presets", "show"): _presets_show,
    ("presets", "import"): _presets_import,
    ("presets", "export"): _presets_export,
    ("presets", "remove"): _presets_remove,
}
