"""``python -m app.hub``: started by the app, never by a person."""

from __future__ import annotations

from app.hub.process import prepare


def main() -> None:
    streams = prepare()
    from app.hub.service import serve  # after prepare(): what it imports reads the environment

    serve(*streams)


if __name__ == "__main__":
    main()
