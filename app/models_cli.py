"""``atelier models``: what is in the catalog and on the disk, downloads, imports and storage, on the command line."""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app import models_view as view
from app.core import Core
from app.dispatch import LoopDispatcher
from app.hub_protocol import PullSpec
from app.links import parse_link
from app.paths import default_paths
from app.pull_cli import pull
from app.terminal import DONE, FAILED, complain, error_json, print_json, print_line, warn
from app.weights import Offer
from models.catalog.entry import Role, Use
from models.errors import AtelierError, ErrorCode, ErrorInfo, InvalidInputError, Problem
from models.machine import Fit

Command = Callable[["Shop", argparse.Namespace], int]


def add_parser(command: argparse.ArgumentParser) -> None:
    """The options of ``atelier models``."""
    acts = command.add_subparsers(dest="act", required=True, metavar="WHAT")

    def act(name: str, words: str, run: Command, *arguments: tuple[str, dict[str, Any]]) -> argparse.ArgumentParser:
        parser = acts.add_parser(name, help=words, description=words[0].upper() + words[1:] + ".")
        for flag, options in arguments:
            parser.add_argument(flag, **options)
        parser.add_argument("--json", action="store_true", help="JSON objects, one a line")
        parser.set_defaults(run=run)
        return parser

    ids = ("model", {"metavar": "ID", "nargs": "+", "help": "a catalog id, a repository (org/name) or a link"})
    some = ("model", {"metavar": "ID", "nargs": "*", "help": "ids as “storage” shows them (default: all)"})
    one = (
        "model",
        {"metavar": "ID", "help": "a catalog id, a repository (org/name), a link, or a model on this computer"},
    )
    listed = act("list", "list the catalog, or what is on this computer", list_models)
    listed.add_argument("--installed", action="store_true", help="only what is on this computer")
    listed.add_argument("--task", choices=[role.value for role in Role], help="only what is for this")
    listed.add_argument("--licence", choices=[use.value for use in Use], help="only what may be used so")
    listed.add_argument("--fits", action="store_true", help="only what runs on this computer")
    search = act("search", "search the catalog, or the hub", search_models)
    search.add_argument("query", metavar="WORDS", nargs="+")
    search.add_argument("--hub", action="store_true", help="search the whole hub (needs a connection)")
    search.add_argument("--task", choices=[role.value for role in Role], default="", help="only what is for this")
    act("show", "say everything about one model", show_model, one)
    fetch = act("pull", "download models, going on with what has arrived already", pull_models, ids)
    fetch.add_argument(
        "--file", metavar="NAME", default="", help="one file of the repository, of several to choose from"
    )
    fetch.add_argument("--accept-licence", action="store_true", help="accept the licence of what needs it")
    take = act("import", "use a model file or folder from this computer", import_files)
    take.add_argument("path", metavar="PATH", nargs="+", type=Path)
    take.add_argument("--copy", action="store_true", help="copy it into Atelier's folder instead of using it in place")
    take.add_argument("--allow-pickle", action="store_true", help="take an old-format file, whose maker you trust")
    act("verify", "check files against their checksums", verify_models, some)
    act("repair", "fetch damaged and missing files again", repair_models, ids)
    act("remove", "delete models and free their space", remove_models, ids)
    act("storage", "say what lies on the disk", show_storage)
    act("merge", "store identical files once", merge_files)
    act("clean", "delete what broken-off downloads left", clean_cache)
    act("move", "move the downloads to another disk", move_cache, ("folder", {"metavar": "FOLDER", "type": Path}))
    sources = act(
        "source", "use the models of another app where they lie (ComfyUI, A1111, Forge, InvokeAI)", add_source
    )
    sources.add_argument("folder", metavar="FOLDER", type=Path)
    sources.add_argument("--forget", action="store_true", help="do not look there any more")
    act("sign-in", "sign in to the hub; the access token is read from the terminal or standard input", sign_in)
    act("sign-out", "forget the access token", sign_out)


def models(options: argparse.Namespace) -> int:
    """Run one ``atelier models`` command and return the exit code."""
    try:
        shop = Shop()
    except AtelierError as error:
        return refuse(options, error)
    try:
        run: Command = options.run
        return run(shop, options)
    except AtelierError as error:
        return refuse(options, error)
    finally:
        shop.core.close()


class Shop:
    """A core without an engine, and the loop its answers come on."""

    def __init__(self) -> None:
        self.dispatcher = LoopDispatcher()
        self.core = Core(default_paths(), self.dispatcher, origin="cli")
        self.core.look()
        self.settle()

    def settle(self) -> None:
        """Wait for what is being looked at."""
        self.dispatcher.run_until(lambda: self.core.models.looked and self.core.offers.settled, 60.0)

    def know_device(self) -> None:
        self.core.know_device()
        self.settle()

    def answer(self, call: Callable[..., None], *arguments: Any) -> Any:
        """What a service answers to ``call(*arguments, then, failed)``; raises AtelierError when it fails."""
        got: list[Any] = []
        errors: list[ErrorInfo] = []
        call(*arguments, got.append, errors.append)
        self.dispatcher.run_until(lambda: bool(got or errors))
        if errors:
            raise AtelierError.from_info(errors[0])
        return got[0]

    def offer(self, name: str) -> Offer | None:
        found = self.core.offers.get(name)
        if found is None and (linked := parse_link(name)) is not None and not linked.file:
            found = self.core.offers.get(linked.repo)
        return found


def refuse(options: argparse.Namespace, error: AtelierError) -> int:
    if options.json:
        print_json({"status": "failed", "error": error_json(error.info)})
    return complain(error)


# -- looking -----------------------------------------------------------------------------------------------------------


def list_models(shop: Shop, options: argparse.Namespace) -> int:
    shop.know_device()
    offers = [offer for offer in shop.core.offers.all() if _wanted(offer, options)]
    if options.installed:
        return _list_installed(shop, options)
    if options.json:
        for offer in offers:
            print_json(view.offer_json(offer))
    else:
        print_line(view.offers_table(offers))
    return DONE


def _list_installed(shop: Shop, options: argparse.Namespace) -> int:
    entries = list(shop.core.models.entries())
    addons = [addon for addon in shop.core.models.addons() if options.task in (None, "", addon.kind)]
    if options.task:  # models have their task in the catalog, add-ons say their own kind
        fitting = {offer.model_id for offer in shop.core.offers.all() if _wanted(offer, options)}
        entries = [entry for entry in entries if entry.card.id in fitting]
    if options.json:
        for found in (*map(view.entry_json, entries), *map(view.addon_json, addons)):
            print_json(found)
    else:
        print_line(view.installed_table(entries, addons))
    return DONE


def _wanted(offer: Offer, options: argparse.Namespace) -> bool:
    entry = offer.entry
    if options.task and options.task not in (entry.role, *entry.also):
        return False
    if options.licence and entry.licence.use != options.licence:
        return False
    return not options.fits or (offer.verdict is not None and offer.verdict.fit is not Fit.TOO_LARGE)


def search_models(shop: Shop, options: argparse.Namespace) -> int:
    query = " ".join(options.query)
    if options.hub:
        hits = shop.answer(shop.core.hub.search, query, options.task)
        if options.json:
            for hit in hits:
                print_json(view.builtins(hit))
        else:
            print_line(view.hits_table(hits))
        return DONE
    shop.know_device()
    found = [
        o for o in shop.core.offers.search(query) if not options.task or options.task in (o.entry.role, *o.entry.also)
    ]
    if options.json:
        for offer in found:
            print_json(view.offer_json(offer))
    else:
        print_line(view.offers_table(found) if found else f"Nothing in the catalog fits “{query}”. Try --hub.")
    return DONE


def show_model(shop: Shop, options: argparse.Namespace) -> int:
    shop.know_device()
    offer = shop.offer(options.model)
    if offer is not None:
        if options.json:
            print_json(view.offer_json(offer, whole=True))
        else:
            print_line(view.offer_text(offer))
        return DONE
    linked = parse_link(options.model)
    try:
        entry = shop.core.models.get(options.model)
    except AtelierError:
        if linked is None:
            raise
        return _show_repository(shop, linked, options)
    if options.json:
        print_json(view.entry_json(entry))
    else:
        print_line(view.entry_text(entry))
    return DONE


def _show_repository(shop: Shop, spec: PullSpec, options: argparse.Namespace) -> int:
    facts = shop.answer(shop.core.hub.describe, spec)
    verdict = shop.core.verdict(facts.needs) if facts.needs is not None else None
    if options.json:
        print_json(view.facts_json(facts, verdict))
    else:
        print_line(view.facts_text(facts, verdict))
    return DONE


# -- fetching ----------------------------------------------------------------------------------------------------------


def pull_models(shop: Shop, options: argparse.Namespace) -> int:
    if options.accept_licence:
        for name in options.model:
            for wanted in shop.core.offers.chain(name):
                shop.core.offers.accept(wanted.id)
    wishes = [(name, _one_file(shop, name, options.file) if options.file else None) for name in options.model]
    for name, spec in wishes:
        shop.core.offers.wanted(name, spec)  # all of them mean something, or none is begun
    for name, spec in wishes:
        shop.core.downloads.start(name, spec)
    return pull(shop.core, shop.dispatcher, options.json)


def _one_file(shop: Shop, name: str, file: str) -> PullSpec:
    """One file of what ``name`` means."""
    spec, offer = parse_link(name), shop.offer(name)
    repo = offer.entry.repo if offer else spec.repo if spec else name
    return PullSpec(repo, spec.revision if spec else "main", file=file)


def repair_models(shop: Shop, options: argparse.Namespace) -> int:
    for name in options.model:
        shop.core.storage.repair(_stored_id(shop, name))
    return pull(shop.core, shop.dispatcher, options.json)


def sign_in(shop: Shop, options: argparse.Namespace) -> int:
    token = getpass.getpass("Access token: ") if sys.stdin.isatty() else sys.stdin.readline()
    identity = shop.answer(shop.core.hub.sign_in, token.strip())
    return _say_identity(identity, options)


def sign_out(shop: Shop, options: argparse.Namespace) -> int:
    return _say_identity(shop.answer(shop.core.hub.sign_out), options)


def _say_identity(identity: Any, options: argparse.Namespace) -> int:
    if options.json:
        print_json({"status": "succeeded", "user": identity.user})
    else:
        print_line(f"Signed in as {identity.user}." if identity.user else "Nobody is signed in.")
    return DONE


# -- what lies on the disk ---------------------------------------------------------------------------------------------


def import_files(shop: Shop, options: argparse.Namespace) -> int:
    code = DONE
    for path in options.path:
        try:
            code = max(code, _import(shop, path, options))
        except AtelierError as error:
            code = max(code, refuse(options, error))
            if error.code is ErrorCode.MODEL_NEEDS_PICKLE:
                warn("If you trust its maker: the same command with --allow-pickle")
    return code


def _import(shop: Shop, path: Path, options: argparse.Namespace) -> int:
    if not path.expanduser().exists():
        raise InvalidInputError(Problem("PATH", str(path), f"There is no file or folder “{path}”."))
    found = shop.answer(shop.core.imports.look, path)
    progress = view.Meter("Copying") if options.copy and not options.json else view.quiet
    if found.format == "pickle" and options.allow_pickle:
        shop.core.imports.allow_pickle(path)
    key = shop.answer(shop.core.imports.add, path, options.copy, progress)
    if options.json:
        print_json({"status": "succeeded", "model": key, **view.builtins(found)})
    else:
        print_line(f"{view.recognised_words(found)}\n{key}")
    return DONE


def verify_models(shop: Shop, options: argparse.Namespace) -> int:
    names = [_stored_id(shop, name) for name in options.model] or [
        item.id for item in shop.answer(shop.core.storage.report).items if item.files and item.state != "partial"
    ]
    bad = 0
    for name in names:
        progress = view.quiet if options.json else view.Meter(name)
        report = shop.answer(shop.core.storage.verify, name, progress)
        bad += bool(report.bad)
        if options.json:
            print_json(view.builtins(report))
        else:
            print_line(view.check_text(report))
    if options.json:
        print_json({"status": "failed" if bad else "succeeded", "checked": len(names), "bad": bad})
    return FAILED if bad else DONE


def remove_models(shop: Shop, options: argparse.Namespace) -> int:
    for name in options.model:
        key = _stored_id(shop, name)
        freed = shop.answer(shop.core.storage.remove, key)
        if options.json:
            print_json({"status": "succeeded", "model": key, "freed_bytes": freed})
        elif freed:
            print_line(f"Removed {key}: {view.size(freed)} are free again.")
        else:
            print_line(f"Took {key} off the list; its files stay where they are.")
    return DONE


def show_storage(shop: Shop, options: argparse.Namespace) -> int:
    report = shop.answer(shop.core.storage.report)
    if options.json:
        print_json(view.builtins(report))
    else:
        print_line(view.storage_text(report))
    return DONE


def merge_files(shop: Shop, options: argparse.Namespace) -> int:
    return _freed(shop.answer(shop.core.storage.merge, view.quiet), "saved", options)


def clean_cache(shop: Shop, options: argparse.Namespace) -> int:
    return _freed(shop.answer(shop.core.storage.clean), "freed", options)


def move_cache(shop: Shop, options: argparse.Namespace) -> int:
    progress = view.quiet if options.json else view.Meter("Moving")
    return _freed(shop.answer(shop.core.storage.move, options.folder, progress), "moved", options)


def _freed(count: int, what: str, options: argparse.Namespace) -> int:
    if options.json:
        print_json({"status": "succeeded", f"{what}_bytes": count})
    else:
        print_line(f"{view.size(count)} {what}.")
    return DONE


def add_source(shop: Shop, options: argparse.Namespace) -> int:
    if options.forget:
        shop.core.imports.remove_source(str(options.folder.expanduser().resolve()))
        found = 0
    else:
        if not options.folder.expanduser().is_dir():
            raise InvalidInputError(Problem("FOLDER", str(options.folder), f"There is no folder “{options.folder}”."))
        found = shop.answer(shop.core.imports.add_source, options.folder)
    if options.json:
        print_json({"status": "succeeded", "found": found})
    elif not options.forget:
        print_line(f"{found} models and add-ons found; they are used where they lie.")
    return DONE


def _stored_id(shop: Shop, name: str) -> str:
    """The id storage knows ``name`` by: a catalog id stands for its file where a repository has several, else for
    its repository."""
    offer = shop.offer(name)
    if offer is None:
        return name
    entry, models = offer.entry, shop.core.models
    of_repo = models.of_repo(entry.repo)
    if not of_repo:
        raise AtelierError(ErrorCode.MODEL_NOT_INSTALLED, model=name)
    several = name.casefold() == entry.id and entry.file and any(thing.file for thing in of_repo)
    if not several:
        return entry.repo
    thing = models.thing(f"{entry.repo}/{entry.file}")
    if thing is None:
        raise AtelierError(ErrorCode.MODEL_NOT_INSTALLED, model=name)
    return thing.id
