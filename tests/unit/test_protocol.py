"""Messages on the wire: one golden line each, so that a change that breaks the other side is seen."""

from __future__ import annotations

import io
import json
import struct
import typing
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import protocol
from models.card import AddonRef, ModelRef
from models.codec import MAX_FRAME, BrokenStreamError, Reader, Writer
from models.errors import ErrorCode, ErrorInfo
from models.planning import Backend, DeviceFacts, Plan

GOLDEN = Path(__file__).with_name("protocol.golden.jsonl")

MODEL = ModelRef("pocket", "Pocket", "diffusers", "/models/pocket", "abc")
DEVICE = DeviceFacts(Backend.CPU, 0, "A processor", 16, 8, 16, 8)
ERROR = ErrorInfo(ErrorCode.DISK_FULL, {"path": "/p"}, "OSError")

EXAMPLES: list[protocol.ToWorker | protocol.FromWorker] = [
    protocol.Hello(protocol.VERSION, "auto", 0, "/cache", ("diffusers",)),
    protocol.Load(MODEL),
    protocol.Run(
        "j1",
        MODEL,
        {"prompt": "a", "steps": 2, "seed": 1},
        2,
        "/out/j1",
        {"atelier": "0.1"},
        (1,),
        True,
        ({"seed": 1}, {"seed": 9}),
        {"ink": AddonRef("ink", "Ink", "lora", "/loras/ink.safetensors", "sd15", trigger=("ink",))},
        {"/mine.png": "/out/j1/inputs/1-ab.png"},
    ),
    protocol.Cancel("j1"),
    protocol.Unload(),
    protocol.Ping(3),
    protocol.Shutdown(),
    protocol.Starting(protocol.VERSION, 42),
    protocol.Ready(DEVICE, {"torch": "2"}, 1.5),
    protocol.Loading("pocket", 0.5, "unet", "j1"),
    protocol.Loaded("pocket", Plan("cpu"), 100, 0.5, "j1"),
    protocol.LoadFailed("pocket", ERROR),
    protocol.Progress("j1", 1, 2, 3, 20, 0.1, 4.5),
    protocol.Preview("j1", 1, 512, 512, b"jpeg"),
    protocol.Stage("j1", 1, "decoding"),
    protocol.Notice("j1", "cheaper_plan", {"plan": "whole"}),
    protocol.Produced("j1", 1, 7, "/out/j1/1.png"),
    protocol.Said("j1", 1, "a red apple"),
    protocol.Finished("j1", {"total": 1.0}, 1000),
    protocol.Failed("j1", ERROR),
    protocol.Cancelled("j1"),
    protocol.Pong(3),
    protocol.Fatal(ERROR),
]


def test_every_message_has_an_example() -> None:
    kinds = set(typing.get_args(protocol.ToWorker)) | set(typing.get_args(protocol.FromWorker))
    assert {type(example) for example in EXAMPLES} == kinds


def test_the_wire_is_as_the_golden_file_says() -> None:
    """To accept a deliberate change: raise VERSION if old engines would misread it, delete the file, run again."""
    lines = [msgspec.json.encode(example).decode() for example in EXAMPLES]
    if not GOLDEN.exists():
        GOLDEN.write_text("\n".join(lines) + "\n", encoding="utf-8")
        pytest.fail("the golden file was missing and has been written; look at it and commit it")
    assert lines == GOLDEN.read_text(encoding="utf-8").splitlines()
    assert all(json.loads(line)["type"] for line in lines)


def test_messages_come_back_as_they_went() -> None:
    for union in (protocol.ToWorker, protocol.FromWorker):
        mine = [example for example in EXAMPLES if isinstance(example, union)]
        stream = io.BytesIO()
        writer = Writer(stream)
        for example in mine:
            writer.send(example)
        stream.seek(0)
        assert list(Reader(stream, union)) == mine


@given(st.binary(max_size=200))
def test_garbage_never_gets_through_as_a_message(data: bytes) -> None:
    try:
        list(Reader(io.BytesIO(data), protocol.ToWorker))
    except BrokenStreamError:
        return
    assert data == b"" or len(data) >= 5


def test_a_frame_that_cannot_be_is_refused_before_it_is_read() -> None:
    stream = io.BytesIO(struct.pack(">I", MAX_FRAME + 1))
    with pytest.raises(BrokenStreamError, match="a frame of"):
        list(Reader(stream, protocol.ToWorker))


def test_a_message_cut_off_is_noticed() -> None:
    stream = io.BytesIO()
    Writer(stream).send(protocol.Ping(1))
    with pytest.raises(BrokenStreamError, match="within a frame"):
        list(Reader(io.BytesIO(stream.getvalue()[:-1]), protocol.ToWorker))
