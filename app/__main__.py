"""``python -m app`` and the ``atelier`` command."""

from __future__ import annotations

import sys


def main() -> int:
    """No arguments: the window. Anything else: the command line."""
    from app.cli import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
