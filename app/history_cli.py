"""``atelier history``: find, mark, export, import, throw away and bring back pictures, on the command line."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from app import history_view as view
from app.background import StoppedError, Tell, as_info
from app.core import Core
from app.dispatch import LoopDispatcher
from app.export import DEFAULT_NAME, FORMATS, NAMES, Export, export_all
from app.jobs import Result
from app.paths import default_paths
from app.records import Record, Records
from app.refind import refind
from app.search_query import FILTERS
from app.terminal import DONE, INTERRUPTED, Interrupts, complain, error_json, print_json, print_line
from models import metadata
from models.errors import AtelierError, InvalidInputError, Problem

Command = Callable[["Room", argparse.Namespace], int]


def add_parser(command: argparse.ArgumentParser) -> None:
    """The options of ``atelier history``."""
    acts = command.add_subparsers(dest="act", required=True, metavar="WHAT")

    def act(name: str, words: str, run: Command, ids: str = "") -> argparse.ArgumentParser:
        parser = acts.add_parser(name, help=words, description=words[0].upper() + words[1:] + ".")
        if ids:
            told = "a picture's id, as “list” shows it, or its file"
            parser.add_argument("picture", metavar="ID", nargs=ids, help=told)
        parser.add_argument("--json", action="store_true", help="JSON objects, one a line")
        parser.set_defaults(run=run)
        return parser

    for name, words in (("list", "list the newest pictures"), ("search", "find pictures by words and filters")):
        parser = act(name, words, find)
        if name == "search":
            filters = ", ".join(FILTERS.values())
            parser.add_argument(
                "query", metavar="WORDS", nargs="+", help=f"words, '\"in quotes\"', 'red -green', {filters}"
            )
        parser.add_argument("--limit", metavar="N", type=int, default=50, help="how many (default: 50; 0: all)")
        parser.add_argument("--oldest", action="store_true", help="oldest first")
        parser.add_argument("--trash", action="store_true", help="what is in the trash")
    act("show", "say how a picture was made, ours or another tool's", show).add_argument(
        "picture", metavar="ID|FILE", help="a picture's id, or any picture file"
    )
    _add_export(act("export", "copy pictures in any format, with their recipe or without", export, "*"))
    gather = act("import", "list a folder of old pictures, without copying", import_folders)
    gather.add_argument("folder", metavar="DIR", nargs="+", type=Path)
    gather.add_argument("--forget", action="store_true", help="take them off the list; the files stay")
    remove = act("remove", "put pictures into the trash", remove_pictures, "*")
    remove.add_argument("--for-good", action="store_true", help="delete them; without ids, empty the trash")
    act("restore", "bring pictures back from the trash", restore_pictures, "+")
    rate = act("rate", "rate pictures, or make them favourites", rate_pictures, "+")
    rate.add_argument("--stars", metavar="N", type=int, choices=range(6), help="1 to 5; 0 takes a rating away")
    rate.add_argument("--favourite", action=argparse.BooleanOptionalAction, help="a favourite, or not any more")
    tag = act("tag", "tag pictures, or write a note; without ids, list all tags", tag_pictures, "*")
    tag.add_argument("--add", metavar="TAG", action="append", default=[])
    tag.add_argument("--remove", metavar="TAG", action="append", default=[])
    tag.add_argument("--note", metavar="TEXT", help="a note on each; empty takes it away")
    sets = act("collections", "list collections, or put pictures into one", collections, "*")
    sets.add_argument("--into", metavar="NAME", help="put the pictures into it; made if it is not there")
    sets.add_argument("--out-of", metavar="NAME", help="take the pictures out of it")
    sets.add_argument("--rename", metavar=("NAME", "NEW"), nargs=2)
    sets.add_argument("--delete", metavar="NAME", help="delete the collection; its pictures stay")
    act("rebuild", "list again what lies on the disk, and look for moved pictures", rebuild)


def _add_export(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--search", metavar="WORDS", help="all that this search finds")
    add("--out", metavar="DIR", type=Path, required=True, help="where to")
    add("--format", choices=FORMATS, default="same")
    add("--quality", metavar="N", type=int, default=90, help="1 to 100 (default: 90)")
    add("--lossless", action="store_true", help="for WebP")
    add("--scale", metavar="N", type=float, default=1.0, help="0.5: half the size")
    add("--longest", metavar="N", type=int, default=0, help="the longest side, in pixels")
    add("--no-metadata", action="store_true", help="nothing but the picture")
    add("--private", action=argparse.BooleanOptionalAction, help="leave out what tells of this computer (or do not)")
    add("--name", metavar="PATTERN", default="", help=f"with {', '.join(f'{{{name}}}' for name in NAMES)}")


def history(options: argparse.Namespace) -> int:
    """Run one ``atelier history`` command and return the exit code."""
    try:
        room = Room(options)
    except AtelierError as error:
        return _refuse(options, error)
    try:
        run: Command = options.run
        return run(room, options)
    except StoppedError:
        return INTERRUPTED
    except AtelierError as error:
        return _refuse(options, error)
    except (OSError, ValueError) as error:
        return _refuse(options, AtelierError.from_info(as_info(error)))
    finally:
        room.core.close()


def _refuse(options: argparse.Namespace, error: AtelierError) -> int:
    if options.json:
        print_json({"status": "failed", "error": error_json(error.info)})
    return complain(error)


class Room:
    """A core without an engine, used from one thread: what others do later, commands do at once."""

    def __init__(self, options: argparse.Namespace) -> None:
        dispatcher = LoopDispatcher()
        self.core = Core(default_paths(), dispatcher, origin="cli")
        self.json: bool = options.json
        self.core.take_in_orphans()
        ready: list[object] = []
        self.core.history.ready(ready.append)
        dispatcher.run_until(lambda: bool(ready))

    @property
    def records(self) -> Records:
        return self.core.history.records

    def chosen(self, keys: Sequence[str]) -> list[Record]:
        """Raises InvalidInputError for what is not in the library, naming all of it."""
        found, problems = [], []
        for key in keys:
            one = self.records.get(key) or self.records.at_path(str(Path(key).expanduser().absolute()))
            if one is None:
                problems.append(Problem("ID", key, f"There is no picture “{key}” in the library; see “history list”."))
            else:
                found.append(one)
        if problems:
            raise InvalidInputError(*problems)
        return found

    def say(self, text: str, **facts: Any) -> int:
        """How a command ended."""
        print_json({"status": "succeeded", **facts}) if self.json else print_line(text)
        return DONE


class Bar:
    """Progress on standard error, where somebody looks at it; stops when the user asks."""

    def __init__(self, what: str) -> None:
        self._what, self._last = what, 0.0
        self._interrupts = Interrupts()

    def __call__(self, done: int, total: int) -> None:
        if self._interrupts.asked:
            sys.stderr.write("\n" if sys.stderr.isatty() else "")
            raise StoppedError
        if sys.stderr.isatty() and (time.monotonic() - self._last > 0.1 or done == total):
            self._last = time.monotonic()
            sys.stderr.write(f"\r{self._what}: {done:,} of {total:,}" + ("\n" if done == total else ""))
            sys.stderr.flush()


# -- looking -----------------------------------------------------------------------------------------------------------


def find(room: Room, options: argparse.Namespace) -> int:
    typed = " ".join(getattr(options, "query", [])) + (" is:trash" if options.trash else "")
    shown, after, left = 0, None, max(0, options.limit)
    while True:
        wanted = min(500, left - shown) if left else 500
        page = room.records.page(typed, after, wanted, options.oldest)
        for result in page.results:
            record = room.records.get(result.id)
            if record is not None:
                print_json(view.record_json(record)) if room.json else print_line(view.line(record))
        shown += len(page.results)
        after = page.next
        if after is None or (left and shown >= left):
            break
    total = room.records.count(typed)
    return room.say(f"{shown} of {total} pictures.", count=shown, total=total)


def show(room: Room, options: argparse.Namespace) -> int:
    path = Path(options.picture).expanduser()
    record = room.records.get(options.picture) or room.records.at_path(str(path.absolute()))
    if record is None:
        return _show_file(room, path, options.picture)
    line_of, led_to = room.records.lineage(record.result.id), room.records.children(record)
    if room.json:
        family = {"lineage": [one.result.id for one in line_of], "led_to": [one.result.id for one in led_to]}
        print_json({**view.record_json(record), "recipe": record.result.recipe, **family})
    else:
        print_line(view.whole(record, line_of, led_to))
    return DONE


def _show_file(room: Room, path: Path, typed: str) -> int:
    """A picture that is not in the library, of whatever tool."""
    if not path.is_file():
        sentence = f"There is no picture “{typed}” in the library, and no such file."
        raise InvalidInputError(Problem("ID|FILE", typed, sentence))
    look = metadata.read_all(path)
    if not look.carried.format:
        raise InvalidInputError(Problem("ID|FILE", typed, f"“{path.name}” is not a picture Atelier can read."))
    made = look.recipe
    if room.json:
        carried = look.carried
        about = {
            "path": str(path.absolute()),
            "format": carried.format,
            "width": carried.width,
            "height": carried.height,
        }
        print_json({**about, "tool": (made or {}).get("tool", "Atelier" if made else None), "recipe": made})
    elif made is None:
        print_line("This picture does not say how it was made.")
    else:
        print_line("\n".join(view.recipe_lines({"tool": "Atelier", **made})))
    return DONE


# -- in and out --------------------------------------------------------------------------------------------------------


def export(room: Room, options: argparse.Namespace) -> int:
    results: list[Result] = [one.result for one in room.chosen(options.picture)]
    if options.search:
        found = (room.records.get(key) for key in room.records.ids(options.search))
        results += [one.result for one in found if one is not None]
    elif not results:
        raise InvalidInputError(Problem("ID", "", "Say which pictures: ids, or --search WORDS."))
    settings = room.core.settings.value
    private = settings.private_exports if options.private is None else options.private
    how = Export(
        options.format, options.quality, options.lossless, options.scale, options.longest, not options.no_metadata,
        private, options.name or settings.export_name or DEFAULT_NAME,
    )  # fmt: skip
    written = export_all(results, options.out.expanduser(), how, Bar("Exported"))
    if not room.json:
        for path in written:
            print_line(str(path))
    return room.say(f"{len(written)} pictures exported.", outputs=[str(path) for path in written])


def import_folders(room: Room, options: argparse.Namespace) -> int:
    gathering, told = room.core.history.gathering, []
    for folder in options.folder:
        if options.forget:
            told.append({"folder": str(folder), "forgotten": gathering.forget(folder)})
            continue
        if not folder.expanduser().is_dir():
            raise InvalidInputError(Problem("DIR", str(folder), f"“{folder}” is not a folder."))
        told.append({"folder": str(folder), **msgspec.to_builtins(gathering.gather(folder, Bar("Looked at")))})
    for one in told if not room.json else ():
        print_line(_gathered(one))
    return room.say("Done.", folders=told)


def _gathered(one: dict[str, Any]) -> str:
    if "forgotten" in one:
        return f"{one['folder']}: {one['forgotten']} pictures taken off the list."
    tools = ", ".join(f"{count} of {tool}" for tool, count in sorted(one["tools"].items()))
    parts = [f"{one['added']} with their settings" + (f" ({tools})" if tools else ""), f"{one['plain']} without",
             f"{one['known']} known before", f"{one['unreadable']} unreadable"]  # fmt: skip
    return f"{one['folder']}: {', '.join(parts)}."


# -- changing ----------------------------------------------------------------------------------------------------------


def remove_pictures(room: Room, options: argparse.Namespace) -> int:
    trash, chosen = room.core.history.trash, _ids(room.chosen(options.picture))
    if not chosen and not options.for_good:
        raise InvalidInputError(Problem("ID", "", "Say which pictures, or empty the trash with --for-good."))
    if chosen:
        trash.throw(chosen)
    if options.for_good:
        gone = trash.purge(chosen or None)
        return room.say(f"{len(gone)} pictures deleted.", removed=gone)
    return room.say(f"{len(chosen)} pictures are in the trash; “history restore” brings them back.", trashed=chosen)


def restore_pictures(room: Room, options: argparse.Namespace) -> int:
    back = room.core.history.trash.restore(_ids(room.chosen(options.picture)))
    return room.say(f"{len(back)} pictures are back.", restored=_ids(back))


def rate_pictures(room: Room, options: argparse.Namespace) -> int:
    chosen = _ids(room.chosen(options.picture))
    if options.stars is None and options.favourite is None:
        raise InvalidInputError(Problem("stars", "", "Say how: --stars N, --favourite or --no-favourite."))
    if options.stars is not None:
        room.records.rate(chosen, options.stars)
    if options.favourite is not None:
        room.records.favour(chosen, options.favourite)
    return room.say(f"{len(chosen)} pictures marked.", changed=chosen)


def tag_pictures(room: Room, options: argparse.Namespace) -> int:
    chosen = _ids(room.chosen(options.picture))
    if not chosen:
        tags = room.records.tags()
        for tag, count in tags if not room.json else ():
            print_line(f"{count:>6}  {tag}")
        return room.say(f"{len(tags)} tags.", tags=[{"tag": tag, "count": count} for tag, count in tags])
    room.records.tag(chosen, options.add, options.remove)
    for key in chosen if options.note is not None else ():
        room.records.note(key, options.note)
    return room.say(f"{len(chosen)} pictures changed.", changed=chosen)


def collections(room: Room, options: argparse.Namespace) -> int:
    chosen, records = _ids(room.chosen(options.picture)), room.records
    if chosen and not (options.into or options.out_of):
        raise InvalidInputError(Problem("into", "", "Say where: --into NAME or --out-of NAME."))
    if options.rename:
        _named(room, lambda: records.rename_collection(_collection(room, options.rename[0]), options.rename[1]))
    if options.delete:
        records.remove_collection(_collection(room, options.delete))
    if options.into is not None:
        _named(room, lambda: records.collect(options.into, chosen))
    if options.out_of:
        records.uncollect(_collection(room, options.out_of), chosen)
    found = records.collections()
    for one in found if not room.json else ():
        print_line(f"{one.count:>6}  {one.name}")
    return room.say(f"{len(found)} collections.", collections=[{"name": one.name, "count": one.count} for one in found])


def _collection(room: Room, name: str) -> str:
    found = room.records.collection(name)
    if found is None:
        raise InvalidInputError(Problem("NAME", name, f"There is no collection called “{name}”."))
    return found.id


def _named(room: Room, change: Callable[[], object]) -> None:
    try:
        change()
    except ValueError as error:
        raise InvalidInputError(Problem("NAME", "", f"It cannot be called so: {error}.")) from error


def rebuild(room: Room, options: argparse.Namespace) -> int:
    core = room.core
    tell: Tell = Bar("Looked at")
    found = core.library.rebuild()
    core.history.settle()
    places = [core.library.pictures, *map(Path, core.history.gathering.folders())]
    moved = refind(core.history.store, places, tell)
    core.history.gathering.checksums(tell)
    total = room.records.count()
    gone = moved.missing - moved.found
    words = f"{total} pictures; {len(found)} lie in Atelier's own folder, {moved.found} were moved, {gone} are missing."
    return room.say(words, total=total, listed=len(found), moved=moved.found, missing=gone)


def _ids(records: Sequence[Record]) -> list[str]:
    return [one.result.id for one in records]
