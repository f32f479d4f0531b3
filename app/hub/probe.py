"""Looking into a model before it is downloaded: a folder of stand-ins with the real configurations and headers.

Of each weight file only the header is fetched; its stand-in has the full size but holds nothing more (a sparse file
takes no room), so that ``models.folders`` and ``models.recognise`` judge it exactly as they will judge the model later.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from app.hub.api import Api, tried
from app.hub.cache import Cache
from app.hub.errors import NetError, hostile, refusal
from app.hub.net import Halt, Net, Patience
from app.hub.plan import MAX_JSON, Plan
from app.hub_protocol import HubFile
from models import folders, pipelines
from models.errors import AtelierError, ErrorCode, ErrorInfo
from models.headers import MAX_HEADER
from models.machine import Needs
from models.pipelines import Task
from models.recognise import FileKind, recognise

log = logging.getLogger(__name__)

AT_ONCE = 8
FIRST_BYTES = 256 * 1024
"""Of a safetensors file: holds nearly every header."""
GGUF_BYTES = 4 << 20
PROBE_SECONDS = 6.0
_NOT_IMAGES = frozenset({Task.VIDEO, Task.AUDIO, Task.OTHER})


class Findings(msgspec.Struct, frozen=True):
    """What was found out; empty where nothing could be."""

    needs: Needs | None = None
    kind: str = ""
    family: str = ""
    problem: ErrorInfo | None = None


class Probe:
    """Looks into repositories."""

    def __init__(self, net: Net, cache: Cache, state: Path, halt: Halt) -> None:
        self._net, self._cache, self._state, self._halt = net, cache, state, halt
        self._api = Api(net, halt)

    def look(self, plan: Plan) -> Findings:
        """Look into what ``plan`` would fetch.

        Raises:
            NetError and the like; what is wrong with the model itself is ``Findings.problem``.
        """
        pipeline = plan.choice.kind == "pipeline"
        heavy = [file for file in plan.files if file.path.endswith((".safetensors", ".gguf"))]
        light = [file for file in plan.files if pipeline and file.path.endswith(".json")]
        if not pipeline:
            heavy = heavy[:1]
        try:
            self._state.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._state, prefix="probe-") as folder:
                for file in plan.files if pipeline else heavy:
                    _stand_in(Path(folder) / file.path, b" ", min(file.size, 1))
                self._gather(plan, Path(folder), light, heavy)
                return _judge_folder(plan, Path(folder)) if pipeline else _judge_file(plan, Path(folder), heavy)
        except (OSError, NotImplementedError):
            log.exception("%s could not be looked into", plan.repo)
            return Findings()

    def _gather(self, plan: Plan, folder: Path, light: list[HubFile], heavy: list[HubFile]) -> None:
        tasks: list[Callable[[], None]] = [
            *(lambda file=file: self._config(plan, folder, file) for file in light if not _is_vocabulary(file)),
            *(lambda file=file: self._header(plan, folder, file) for file in heavy),
        ]
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="probe") as pool:
            for done in [pool.submit(task) for task in tasks]:
                done.result()

    def _config(self, plan: Plan, folder: Path, file: HubFile) -> None:
        blob = self._cache.blob(plan.repo, file)
        if file.size > MAX_JSON:
            raise hostile(plan.repo, f"{file.path} is too large")
        if self._cache.has(plan.repo, file):
            data = blob.read_bytes()
        else:
            data = self._api.file(plan.repo, plan.commit, file, MAX_JSON)
        _stand_in(folder / file.path, data, len(data))

    def _header(self, plan: Plan, folder: Path, file: HubFile) -> None:
        first = GGUF_BYTES if file.path.endswith(".gguf") else FIRST_BYTES
        data = self._start(plan, file, min(first, file.size))
        if file.path.endswith(".safetensors"):
            length = 8 + min(int.from_bytes(data[:8], "little"), MAX_HEADER, file.size)
            if length > len(data):
                data = self._start(plan, file, min(length, file.size))
            data = data[:length]
        _stand_in(folder / file.path, data, file.size)

    def _start(self, plan: Plan, file: HubFile, count: int) -> bytes:
        """The first bytes of a weight file, from the disk if they are there."""
        lent = self._cache.blob(plan.repo, file)
        if not self._cache.has(plan.repo, file):
            lent = self._cache.lent(plan.repo, file) or Path()
        if lent.is_file():
            with lent.open("rb") as blob:
                return blob.read(count)
        return tried(lambda: self._range(plan, file, count), Patience(self._halt, PROBE_SECONDS))

    def _range(self, plan: Plan, file: HubFile, count: int) -> bytes:
        url = self._api.address(plan.repo, plan.commit, file.path)
        headers = {**self._net.headers(url), "Accept-Encoding": "identity", "Range": f"bytes=0-{max(count, 1) - 1}"}
        with self._net.stream(url, self._halt, headers) as response:
            if response.status_code not in (200, 206):
                raise refusal(response.status_code, response.headers, self._net.endpoint, plan.repo, file.path)
            data = bytearray()
            for block in response.iter_raw():
                data += block
                if len(data) >= count:
                    break
        if len(data) < count:
            raise NetError(ErrorCode.CONNECTION_LOST, "a header cut off", again=True)
        return bytes(data[:count])


def _is_vocabulary(file: HubFile) -> bool:
    """A tokenizer's files: that they are there is all that counts."""
    return file.path.startswith(("tokenizer", "processor")) or file.size > 4_000_000


def _stand_in(path: Path, data: bytes, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(data)
        file.truncate(max(size, 0))


def _judge_folder(plan: Plan, folder: Path) -> Findings:
    try:
        info = folders.inspect(folder, plan.repo)
        needs = info.needs
    except AtelierError as error:
        return Findings(problem=error.info)
    row = pipelines.row(info.pipeline)
    problem = None
    if row is None or row.task in _NOT_IMAGES:
        problem = ErrorInfo(ErrorCode.MODEL_UNSUPPORTED, {"model": plan.repo, "pipeline": info.pipeline})
    denoiser = info.denoiser
    family = _recognised(folder / denoiser.files[0])[1] if denoiser and denoiser.files else ""
    return Findings(needs, "pipeline", family, problem)


def _judge_file(plan: Plan, folder: Path, heavy: list[HubFile]) -> Findings:
    if not heavy:
        return Findings()
    try:
        kind, family = _recognised(folder / heavy[0].path)
    except AtelierError as error:
        facts = {**error.info.facts, "model": plan.repo, "file": heavy[0].path}
        return Findings(problem=ErrorInfo(error.code, facts, error.info.detail))
    return Findings(kind="" if kind is FileKind.UNKNOWN else kind.value, family=family)


def _recognised(path: Path) -> tuple[FileKind, str]:
    with contextlib.suppress(NotImplementedError):
        found = recognise(path)
        return found.kind, found.family
    return FileKind.UNKNOWN, ""
