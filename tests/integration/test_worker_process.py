"""The worker process seen from its pipes: guarded streams, versions, and an end in every case."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from models import protocol
from models.codec import Reader, Writer
from models.errors import ErrorCode

ROOT = Path(__file__).resolve().parents[2]

NOISY = """
import os, sys
from models.worker.process import prepare
streams = prepare()
print("a library says hello"); sys.stdout.flush()
os.write(1, b"so does its C code")
os.system("echo and a child of it")
from models.worker.loop import Worker
Worker(*streams).serve()
"""


class Pipes:
    def __init__(self, *command: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.writer = Writer(self.process.stdin)
        self.messages = iter(Reader(self.process.stdout, protocol.FromWorker))  # type: ignore[var-annotated,arg-type]

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def pipes() -> Iterator[list[Pipes]]:
    opened: list[Pipes] = []
    yield opened
    for one in opened:
        one.close()


def test_prints_of_a_library_do_not_reach_the_messages(pipes: list[Pipes]) -> None:
    pipes.append(worker := Pipes("-c", NOISY))
    worker.writer.send(protocol.Hello(protocol.VERSION))
    assert isinstance(next(worker.messages), protocol.Starting)
    assert isinstance(next(worker.messages), protocol.Ready)
    worker.writer.send(protocol.Ping(7))
    assert next(worker.messages) == protocol.Pong(7)


def test_an_app_of_another_version_is_told_so(pipes: list[Pipes]) -> None:
    pipes.append(worker := Pipes("-m", "models.worker"))
    worker.writer.send(protocol.Hello(protocol.VERSION + 1))
    assert isinstance(next(worker.messages), protocol.Starting)
    fatal = next(worker.messages)
    assert isinstance(fatal, protocol.Fatal)
    assert fatal.error.code is ErrorCode.ENGINE_START_FAILED
    assert worker.process.wait(20) == 1


def test_a_request_before_hello_ends_it(pipes: list[Pipes]) -> None:
    pipes.append(worker := Pipes("-m", "models.worker"))
    worker.writer.send(protocol.Unload())
    assert isinstance(next(worker.messages), protocol.Starting)
    assert isinstance(next(worker.messages), protocol.Fatal)


@pytest.mark.parametrize("ending", ["close", "garbage", "shutdown"])
def test_it_ends_when_its_app_does(pipes: list[Pipes], ending: str) -> None:
    pipes.append(worker := Pipes("-m", "models.worker"))
    assert isinstance(next(worker.messages), protocol.Starting)
    assert worker.process.stdin is not None
    if ending == "garbage":
        worker.process.stdin.write(b"\xff" * 64)
        worker.process.stdin.flush()
    elif ending == "shutdown":
        worker.writer.send(protocol.Shutdown())
    else:
        worker.process.stdin.close()
        worker.process.stdin = None
    assert worker.process.wait(20) == 0
