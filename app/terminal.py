"""What the commands share: exit codes, and how results and errors are written to the terminal."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

from app.messages import as_text, words
from models.errors import AtelierError, ErrorCode, ErrorInfo

_TELLING = (ErrorCode.MODEL_NOT_INSTALLED, ErrorCode.MODEL_UNSUPPORTED, ErrorCode.REPO_NOT_FOUND)
"""Errors whose detail helps a person: it names what was probably meant."""

DONE, FAILED, USAGE, NOT_INSTALLED, INTERRUPTED = 0, 1, 2, 3, 130


def print_line(text: str) -> None:
    """To standard output, whatever its encoding can show. Nobody reading any more is no error: the work goes on."""
    stream = sys.stdout
    encoding = stream.encoding or "utf-8"
    try:
        stream.write(text.encode(encoding, "replace").decode(encoding) + "\n")
        stream.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def print_json(value: Any) -> None:
    """One JSON object on one line, in plain ASCII: names of files survive any encoding of the pipe."""
    print_line(json.dumps(value))


def warn(text: str) -> None:
    """One line on standard error, under our name."""
    sys.stderr.write(f"atelier: {text}\n")


def complain(error: AtelierError) -> int:
    """Say an error on standard error and return the exit code that stands for it."""
    warn(as_text(error.info))
    if error.info.detail and error.code in _TELLING:
        warn(error.info.detail)
    return exit_code(error.code)


def exit_code(code: ErrorCode) -> int:
    if code in (ErrorCode.INVALID_INPUT, ErrorCode.PICTURE_UNREADABLE):
        return USAGE
    return NOT_INSTALLED if code is ErrorCode.MODEL_NOT_INSTALLED else FAILED


def error_json(error: ErrorInfo) -> dict[str, Any]:
    """An error as the command line's JSON has it: the code for programs, the words for people."""
    plain = words(error)
    problems = [{"name": p.name, "value": p.value, "sentence": p.sentence} for p in error.problems]
    return {
        "code": error.code.value,
        "sentence": plain.sentence,
        "advice": plain.advice,
        "problems": problems,
        "detail": error.detail,
    }


class Interrupts:
    """Ctrl+C and SIGTERM ask to stop; a second one ends the program as usual."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask)

    def _ask(self, number: int, frame: object) -> None:
        if self.asked:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self.asked = True
