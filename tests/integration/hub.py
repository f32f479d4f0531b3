"""The real hub process, seen from its pipes, and small models for the hub on loopback."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from app import hub_protocol as protocol
from app.hub_protocol import PullSpec, RepoFacts
from models.codec import BrokenStreamError, Reader, Writer
from models.errors import ErrorInfo
from tests.fakehub import Content

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 40.0  # seconds; two busy cores are no failure
M = TypeVar("M")


class HubProcess:
    """``python -P -m app.hub`` with a driver that speaks the protocol."""

    def __init__(
        self, cache: Path, state: Path, endpoint: str, env: dict[str, str] | None = None, **hello: Any
    ) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **(env or {})}
        self.log = state / "hub.log"
        state.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "app.hub"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=environment,
            )  # fmt: skip
        assert self.process.stdin is not None
        self._writer = Writer(self.process.stdin)
        self.seen: list[object] = []
        self._inbox: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._number = 0
        facts = {"min_free": 0, "stall_seconds": 2.0, "patience_seconds": 10.0, **hello}
        self.send(protocol.Hello(protocol.VERSION, str(cache), str(state), endpoint, **facts))

    def _read(self) -> None:
        assert self.process.stdout is not None
        try:
            for message in Reader(self.process.stdout, protocol.FromHub):  # type: ignore[var-annotated,arg-type]
                self._inbox.put(message)
        except (BrokenStreamError, ValueError, OSError):
            pass
        self._inbox.put(None)

    def send(self, message: protocol.ToHub) -> None:
        self._writer.send(message)

    def wait_for(self, kind: type[M] | tuple[type[M], ...], when: Callable[[M], bool] = lambda message: True) -> M:
        """The next message of that kind; all are kept in ``seen``."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                message = self._inbox.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {kind} came; last: {self.seen[-3:]}; log: {self.words()[-3000:]}") from None
            assert message is not None, f"the process ended; last: {self.seen[-3:]}; log: {self.words()[-3000:]}"
            self.seen.append(message)
            if isinstance(message, kind) and when(message):
                return message

    def ask(self, make: Callable[[str], protocol.ToHub]) -> Any:
        """Send a question, wait for its answer."""
        self._number += 1
        request = f"q{self._number}"
        self.send(make(request))
        kinds = (protocol.Described, protocol.Found, protocol.Identity, protocol.Refused)
        return self.wait_for(kinds, lambda message: message.request == request)

    def describe(self, repo: str, **spec: Any) -> RepoFacts:
        answer = self.ask(lambda request: protocol.Describe(request, PullSpec(repo, **spec)))
        assert isinstance(answer, protocol.Described), answer
        return answer.facts

    def refused(self, make: Callable[[str], protocol.ToHub]) -> ErrorInfo:
        answer = self.ask(make)
        assert isinstance(answer, protocol.Refused), answer
        return answer.error

    def pull(self, repo: str, key: str = "p", **spec: Any) -> None:
        self.send(protocol.Pull(key, PullSpec(repo, **spec)))

    def done(self, key: str = "p") -> protocol.Pulled:
        last = self.wait_for((protocol.Pulled, protocol.PullFailed), lambda message: message.id == key)
        assert isinstance(last, protocol.Pulled), f"{last}; log: {self.words()[-3000:]}"
        return last

    def failed(self, key: str = "p") -> ErrorInfo:
        last = self.wait_for((protocol.Pulled, protocol.PullFailed), lambda message: message.id == key)
        assert isinstance(last, protocol.PullFailed), last
        return last.error

    def moved(self, fetched: int, key: str = "p") -> protocol.Moved:
        """Wait until so many bytes came over the network."""
        return self.wait_for(protocol.Moved, lambda message: message.id == key and message.fetched_bytes >= fetched)

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self._end()

    def close(self) -> None:
        """End it and look that it went by itself."""
        self.send(protocol.Shutdown())
        assert self.process.wait(10) == 0, self.words()[-3000:]
        self._end()

    def _end(self) -> None:
        self.process.wait(10)
        self._reader.join(10)
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()

    def words(self) -> str:
        return self.log.read_text(errors="replace")


Start = Callable[..., HubProcess]
"""Starts a hub process on the test's cache: ``state`` and ``cache`` by name, ``env``, fields of ``Hello``."""

WIDTH = {"F16": 2, "BF16": 2, "F32": 4}


def safetensors(count: int, dtype: str = "F16", seed: int = 0) -> bytes:
    """A whole file of about ``count`` numbers, no two alike."""
    size = count * WIDTH[dtype]
    tensors = {"blocks.0.attn.to_q.weight": {"dtype": dtype, "shape": [count], "data_offsets": [0, size]}}
    header = json.dumps(tensors).encode()
    return len(header).to_bytes(8, "little") + header + noise(size, seed)


def noise(size: int, seed: int = 0) -> bytes:
    import random

    return random.Random(seed).randbytes(size)


def small_model(seed: int = 0, count: int = 50_000) -> dict[str, Content]:
    """A Stable Diffusion in diffusers' layout, with everything twice, as repositories have it."""
    index = {
        "_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.42.1",
        "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
        "feature_extractor": ["transformers", "CLIPImageProcessor"],
        "scheduler": ["diffusers", "PNDMScheduler"], "tokenizer": ["transformers", "CLIPTokenizer"],
        "text_encoder": ["transformers", "CLIPTextModel"], "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }  # fmt: skip
    blocks = ["CrossAttnDownBlock2D", "DownBlock2D"]
    return {
        "model_index.json": json.dumps(index).encode(),
        "README.md": b"# a model",
        "LICENSE.md": b"be kind",
        "scheduler/scheduler_config.json": b'{"_class_name": "PNDMScheduler"}',
        "tokenizer/vocab.json": b'{"a": 0}',
        "tokenizer/merges.txt": b"a b",
        "text_encoder/config.json": b"{}",
        "text_encoder/model.safetensors": safetensors(count // 5, seed=1000),  # the same in all of them
        "text_encoder/pytorch_model.bin": noise(1000, seed),
        "unet/config.json": json.dumps({"sample_size": 64, "down_block_types": blocks, "in_channels": 4}).encode(),
        "unet/diffusion_pytorch_model.safetensors": safetensors(count, "F32", seed + 1),
        "unet/diffusion_pytorch_model.fp16.safetensors": safetensors(count, "F16", seed + 1),
        "unet/diffusion_pytorch_model.onnx": noise(1000, seed),
        "vae/config.json": b'{"block_out_channels": [1, 2, 4, 4], "latent_channels": 4}',
        "vae/diffusion_pytorch_model.safetensors": safetensors(count // 5, seed=seed + 2),
        "safety_checker/config.json": b"{}",
        "safety_checker/model.safetensors": safetensors(count // 2, seed=seed + 3),
        "feature_extractor/preprocessor_config.json": b"{}",
        "model.ckpt": noise(2000, seed),
        "model.safetensors": safetensors(count, "F16", seed + 4),
    }


CHOSEN = frozenset({
    "model_index.json", "LICENSE.md", "scheduler/scheduler_config.json", "tokenizer/vocab.json", "tokenizer/merges.txt",
    "text_encoder/config.json", "text_encoder/model.safetensors", "unet/config.json",
    "unet/diffusion_pytorch_model.fp16.safetensors", "vae/config.json", "vae/diffusion_pytorch_model.safetensors",
})  # fmt: skip
"""What has to be fetched of it."""
