"""``atelier help [PAGE]``: the pages of the in-app help in the terminal."""

from __future__ import annotations

import argparse

from app.help import find, pages, search
from app.terminal import DONE, USAGE, print_json, print_line, warn


def add_parser(command: argparse.ArgumentParser) -> None:
    command.add_argument("page", metavar="PAGE", nargs="*", help="name of a page, or words to look for")
    command.add_argument("--json", action="store_true", help="one JSON object instead of text")


def help_pages(options: argparse.Namespace) -> int:
    """Print the page that was asked for, or what pages there are."""
    known, wanted = pages(), " ".join(options.page)
    page = find(wanted, known) if wanted else None
    if page is not None:
        if options.json:
            print_json({"page": page.name, "title": page.title, "text": page.text})
        else:
            print_line(page.plain.rstrip())
        return DONE
    hits = search(wanted, known)
    if wanted and not hits:
        warn(f"There is no help about “{wanted}”. “atelier help” lists the pages.")
        return USAGE
    if options.json:
        print_json({"pages": [{"page": each.name, "title": each.title} for each in hits]})
        return DONE
    width = max((len(each.name) for each in hits), default=0)
    for each in hits:
        print_line(f"{each.name:<{width}}  {each.title}")
    print_line("\nRead one with: atelier help PAGE")
    return DONE
