"""The demo's library for the gallery: the real one, in the demo's folder, that answers at once."""

from __future__ import annotations

from collections.abc import Iterable

from app import events as announced
from app.history import History
from app.jobs import Result
from app.library import Library
from app.paths import Paths
from app.serial import AtOnce
from app.store import Store


def demo_history(paths: Paths, events: announced.EventBus, results: Iterable[Result]) -> History:
    """A library with ``results``, and with all that are announced from now on."""
    store, worker = Store(paths.library), AtOnce()
    library = Library(store, paths.outbox, paths.pictures)
    for result in results:
        store.add_result(result)
    events.subscribe(announced.ResultAdded, lambda event: store.add_result(event.result))
    return History(store, library, worker, worker, worker, lambda call: call(), events)
