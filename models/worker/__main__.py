"""``python -m models.worker``: started by the app, never by a person."""

from __future__ import annotations

import logging

from models.worker.process import prepare


def main() -> None:
    streams = prepare()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    from models.worker.loop import Worker  # after prepare(): what it imports may print

    Worker(*streams).serve()


if __name__ == "__main__":
    main()
