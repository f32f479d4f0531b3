"""The worker's two threads: one listens (and can always cancel, answer and end), the main one works."""

from __future__ import annotations

import logging
import os
import platform
import queue
import threading
import traceback
from pathlib import Path
from typing import BinaryIO

from models import protocol
from models.codec import BrokenStreamError, Reader, Writer
from models.errors import AtelierError, ErrorCode, ErrorInfo, disk_error, is_disk_error
from models.planning import Backend, DeviceFacts
from models.runners import kind_of
from models.runners.base import CancelledRunError
from models.worker.report import real_clock
from models.worker.work import Workshop

log = logging.getLogger(__name__)


class Worker:
    """Serves one app until the request pipe ends or it is told to shut down."""

    def __init__(self, requests: BinaryIO, messages: BinaryIO) -> None:
        self._reader: Reader[protocol.ToWorker] = Reader(requests, protocol.ToWorker)  # type: ignore[arg-type]
        self._writer = Writer(messages)
        self._inbox: queue.SimpleQueue[protocol.ToWorker] = queue.SimpleQueue()
        self._cancelled: dict[str, threading.Event] = {}
        self._workshop: Workshop | None = None

    def serve(self) -> None:
        """Never returns: the process ends with the last request."""
        self.send(protocol.Starting(protocol.VERSION, os.getpid()))
        threading.Thread(target=self._listen, name="listen", daemon=True).start()
        while True:
            try:
                self._handle(self._inbox.get())
            except Exception as error:
                log.exception("the worker cannot go on")
                self.send(protocol.Fatal(as_info(error)))
                os._exit(1)

    def send(self, message: object) -> None:
        try:
            self._writer.send(message)
        except (OSError, ValueError):
            os._exit(0)  # nobody listens any more

    def _listen(self) -> None:
        try:
            for message in self._reader:
                if isinstance(message, protocol.Cancel):
                    self._event(message.job).set()
                elif isinstance(message, protocol.Ping):
                    self.send(protocol.Pong(message.number))
                elif isinstance(message, protocol.Shutdown):
                    break
                else:
                    if isinstance(message, protocol.Run):
                        # A fresh event: a Cancel that came too late for an earlier try must not hit this one.
                        self._cancelled[message.job] = threading.Event()
                    self._inbox.put(message)
        except BrokenStreamError:
            log.exception("the request pipe is broken")
        # The parent is gone or wants us gone. Nothing is lost: results are renamed into place when they are whole.
        os._exit(0)

    def _event(self, job: str) -> threading.Event:
        return self._cancelled.setdefault(job, threading.Event())

    def _handle(self, message: protocol.ToWorker) -> None:
        if isinstance(message, protocol.Hello):
            self._start(message)
        elif self._workshop is None:
            raise AtelierError(ErrorCode.ENGINE_START_FAILED, f"{type(message).__name__} came before Hello")
        elif isinstance(message, protocol.Load):
            self._load(self._workshop, message)
        elif isinstance(message, protocol.Run):
            self._run(self._workshop, message)
        elif isinstance(message, protocol.Unload):
            self._workshop.shelf.clear()

    def _start(self, hello: protocol.Hello) -> None:
        if hello.version != protocol.VERSION:
            detail = f"app speaks {hello.version}, engine {protocol.VERSION}"
            raise AtelierError(ErrorCode.ENGINE_START_FAILED, detail)
        began = real_clock()
        versions = {"python": platform.python_version()}
        for runner in hello.runners:
            versions |= {name: str(version) for name, version in warm_up(runner).items()}
        cache = Path(hello.cache_folder or ".")
        # With no heavy runner there is no torch to ask; the processor is all a light runner needs.
        device, measure = plain_cpu(), lambda facts: facts
        if hello.runners:
            from models import devices

            device, measure = devices.choose(devices.probe(hello.device, cache), hello.device), devices.refresh
        self._workshop = Workshop(device, hello.memory_budget, cache, versions, self.send, measure)
        self.send(protocol.Ready(device, versions, real_clock() - began))

    def _load(self, workshop: Workshop, message: protocol.Load) -> None:
        try:
            workshop.load_ahead(message.model)
        except Exception as error:
            log.exception("loading %s ahead failed", message.model.id)
            self.send(protocol.LoadFailed(message.model.id, as_info(error)))

    def _run(self, workshop: Workshop, message: protocol.Run) -> None:
        try:
            answer: object = workshop.run(message, self._event(message.job))
        except CancelledRunError:
            answer = protocol.Cancelled(message.job)
        except Exception as error:
            log.exception("job %s failed", message.job)
            answer = protocol.Failed(message.job, as_info(error))
        self._cancelled.pop(message.job, None)
        self.send(answer)


def warm_up(runner: str) -> dict[str, str]:
    """Import a runner's libraries; what is missing is named, so that the installer can mend it."""
    try:
        return kind_of(runner).warm_up()
    except ImportError as error:
        raise AtelierError(ErrorCode.ENGINE_MISSING, traceback.format_exc(), what=error.name or str(error)) from error


def as_info(error: BaseException) -> ErrorInfo:
    """Any exception as an error that can travel; the traceback is its detail."""
    if isinstance(error, OSError) and is_disk_error(error):
        error = disk_error(error)
    detail = "".join(traceback.format_exception(error))
    if isinstance(error, AtelierError):
        info = error.info
        return ErrorInfo(info.code, info.facts, info.detail or detail, info.problems)
    return ErrorInfo(ErrorCode.INTERNAL, {}, detail)


def plain_cpu() -> DeviceFacts:
    """The processor, as far as it can be told without torch."""
    import psutil

    memory = psutil.virtual_memory()
    name = platform.processor() or platform.machine() or "CPU"
    return DeviceFacts(
        Backend.CPU, 0, name, memory.total, memory.available, memory.total, memory.available, system=platform.system()
    )
