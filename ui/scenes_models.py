"""The states of the Models page and of Storage, as scenes for ``ui.screenshots``."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QUrl

from app.weights import Status
from models.errors import ErrorCode, ErrorInfo
from ui.demo import DemoCore
from ui.demo_catalog import GIB
from ui.demo_storage import WHEN
from ui.shell import MainWindow
from ui.viewmodels.models import ModelsVM

Play = Callable[[DemoCore, MainWindow], None]
MB = 1_000_000


def _page(core: DemoCore, window: MainWindow) -> ModelsVM:
    core.ready()
    window.show_page("models")
    models = window.workspace.models
    models.storage.now = lambda: WHEN
    return models


def _wait(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QCoreApplication.processEvents()


def _start(core: DemoCore, key: str) -> str:
    core.offers.accept(key)
    return core.downloads.start(key).id


def _some_downloads(core: DemoCore) -> None:
    core.downloads.run(_start(core, "sdxl"), 0.42, 18.4 * MB, 221.0)
    core.downloads.run(_start(core, "z-image-turbo"), 0.07, waiting=14.0)
    paused = _start(core, "flux1-schnell")
    core.downloads.run(paused, 0.61)
    core.downloads.pause(paused)
    core.offers.change("pixart-sigma", status=Status.DAMAGED)
    core.offers.change("lumina2", status=Status.PARTIAL, here_bytes=3 * GIB)


def browse(core: DemoCore, window: MainWindow) -> None:
    _page(core, window)


def downloads(core: DemoCore, window: MainWindow) -> None:
    models = _page(core, window)
    _some_downloads(core)
    models.choose("sdxl")


def failed(core: DemoCore, window: MainWindow) -> None:
    models = _page(core, window)
    core.downloads.run(_start(core, "sdxl"), 0.9, 20 * MB, 30)
    full = _start(core, "qwen-image")
    core.downloads.run(full, 0.3)
    core.downloads.fail(full, ErrorCode.ROOM_SHORT, needed_gb=41, free_gb=12, path="/home/mia/.cache/huggingface/hub")
    done = _start(core, "sd15")
    core.downloads.finish(done)
    models.choose("qwen-image")


def details(core: DemoCore, window: MainWindow) -> None:
    _page(core, window).choose("sdxl")


def installed(core: DemoCore, window: MainWindow) -> None:
    _page(core, window).choose("flux2-klein-4b")


def too_large(core: DemoCore, window: MainWindow) -> None:
    _page(core, window).choose("flux2-dev")


def long_names(core: DemoCore, window: MainWindow) -> None:
    models = _page(core, window)
    models.catalog.set_query("very long")
    models.choose("lightning")


def search(core: DemoCore, window: MainWindow) -> None:
    models = _page(core, window)
    models.catalog.set_query("xl")
    models.catalog.search_hub()


def searching(core: DemoCore, window: MainWindow) -> None:
    models = _page(core, window)
    core.weights.hold()
    models.catalog.set_query("anime")
    models.catalog.search_hub()


def hub_trouble(core: DemoCore, window: MainWindow) -> None:
    models = _page(core, window)
    core.hub.trouble = ErrorInfo(ErrorCode.NO_CONNECTION, {"host": "huggingface.co"})
    models.catalog.set_query("sdxl")
    models.catalog.search_hub()


def filtered(core: DemoCore, window: MainWindow) -> None:
    models = _page(core, window)
    models.catalog.set_filter("role", "text-to-image")
    models.catalog.set_filter("use", "commercial")
    models.catalog.set_filter("size", "20")


def nothing(core: DemoCore, window: MainWindow) -> None:
    models = _page(core, window)
    models.catalog.set_filter("role", "upscaler")
    models.catalog.set_filter("size", "1")
    models.catalog.set_query("watercolour seahorse")
    models.catalog.search_hub()


def offline(core: DemoCore, window: MainWindow) -> None:
    models = _page(core, window)
    core.settings.change(offline=True)
    models.choose("z-image-turbo")


def linked(core: DemoCore, window: MainWindow) -> None:
    models = _page(core, window)
    models.catalog.set_query("https://huggingface.co/cagliostrolab/animagine-xl-4.0/tree/main")
    models.choose("repo:cagliostrolab/animagine-xl-4.0")


def reading(core: DemoCore, window: MainWindow) -> None:
    models = _page(core, window)
    core.weights.hold()
    models.catalog.set_query("cagliostrolab/animagine-xl-4.0")
    models.choose("repo:cagliostrolab/animagine-xl-4.0")


def single(core: DemoCore, window: MainWindow) -> None:
    models = _page(core, window)
    models.catalog.set_query("someone/single-file-xl")
    models.choose("repo:someone/single-file-xl")


def refused(core: DemoCore, window: MainWindow) -> None:
    models = _page(core, window)
    models.catalog.set_query("someone/old-pickle")
    models.choose("repo:someone/old-pickle")


def not_found(core: DemoCore, window: MainWindow) -> None:
    models = _page(core, window)
    models.catalog.set_query("nobody/nothing")
    models.choose("repo:nobody/nothing")


def licence(core: DemoCore, window: MainWindow) -> None:
    models = _page(core, window)
    models.choose("sdxl-turbo")
    models.command("download")


def gate(core: DemoCore, window: MainWindow) -> None:
    models = _page(core, window)
    core.offers.accept("flux1-dev")
    models.choose("flux1-dev")
    models.command("download")


def gate_unaccepted(core: DemoCore, window: MainWindow) -> None:
    core.hub.access["black-forest-labs/FLUX.1-dev"] = "licence_not_accepted"
    gate(core, window)


def sign_in(core: DemoCore, window: MainWindow) -> None:
    from ui.viewmodels.asks import SignInAsk

    models = _page(core, window)
    models.choose("flux1-dev")
    models.asked.emit(SignInAsk())
    models.account.sign_in("hf_wrong")


def cancel(core: DemoCore, window: MainWindow) -> None:
    models = _page(core, window)
    core.downloads.run(_start(core, "sdxl"), 0.62, 18.4 * MB, 140)
    models.choose("sdxl")
    models.command("cancel")


def imports(core: DemoCore, window: MainWindow) -> None:
    models_page = window.models_page
    _page(core, window)
    folder = core.paths.cache / "ComfyUI"
    folder.mkdir(exist_ok=True)
    names = (
        "ink_wash_lora_v2.safetensors",
        "old-model-with-a-name-that-goes-on-and-on-for-ever-v12.ckpt",
        "notes.txt",
    )
    for name in names:
        (core.paths.cache / name).write_bytes(b"x")
    models_page.take([QUrl.fromLocalFile(str(core.paths.cache / name)) for name in (*names, "ComfyUI")])


def dropping(core: DemoCore, window: MainWindow) -> None:
    _page(core, window)
    window.models_page.light(True)


def storage(core: DemoCore, window: MainWindow) -> None:
    _page(core, window)
    core.settings.change(sources=("/home/mia/ComfyUI/models", "/mnt/archive/" + "deep/" * 20 + "stable-diffusion"))
    window.show_models("storage")


def storage_work(core: DemoCore, window: MainWindow) -> None:
    models = _page(core, window)
    window.show_models("storage")
    core.storage.patient = True
    models.storage.verify("klein")
    core.storage.step(0.38)


def storage_move(core: DemoCore, window: MainWindow) -> None:
    models = _page(core, window)
    window.show_models("storage")
    core.storage.patient = True
    models.storage.move("/mnt/large/models")
    core.storage.step(0.61)


def storage_remove(core: DemoCore, window: MainWindow) -> None:
    models = _page(core, window)
    window.show_models("storage")
    models.storage.remove("black-forest-labs/FLUX.1-schnell")


def storage_waiting(core: DemoCore, window: MainWindow) -> None:
    _page(core, window)
    core.weights.hold()
    window.show_models("storage")


def storage_error(core: DemoCore, window: MainWindow) -> None:
    _page(core, window)
    core.storage.trouble = ErrorInfo(ErrorCode.FOLDER_NOT_WRITABLE, {"path": "/home/mia/.cache/huggingface/hub"})
    window.show_models("storage")


def tray(core: DemoCore, window: MainWindow) -> None:
    _page(core, window)
    _some_downloads(core)
    window.show_page("create")


def account(core: DemoCore, window: MainWindow) -> None:
    models = _page(core, window)
    models.account.sign_in("hf_good")
    core.settings.change(model_folders=(str(Path("/home/mia/models")),))
    window.show_page("settings")
    _wait(0.1)
    page = window.settings_page
    page.scroll_to(page.network)


SCENES: tuple[tuple[str, Play, tuple[int, int]], ...] = (
    ("models", browse, (1440, 900)),
    ("models-downloads", downloads, (1440, 900)),
    ("models-failed", failed, (1440, 900)),
    ("models-details", details, (1440, 1400)),
    ("models-installed", installed, (1440, 900)),
    ("models-too-large", too_large, (1440, 900)),
    ("models-long-names", long_names, (1440, 900)),
    ("models-search", search, (1440, 900)),
    ("models-searching", searching, (1440, 900)),
    ("models-hub-trouble", hub_trouble, (1440, 900)),
    ("models-filtered", filtered, (1440, 900)),
    ("models-nothing", nothing, (1440, 900)),
    ("models-offline", offline, (1440, 900)),
    ("models-link", linked, (1440, 900)),
    ("models-reading", reading, (1440, 900)),
    ("models-single-file", single, (1440, 900)),
    ("models-refused", refused, (1440, 900)),
    ("models-not-found", not_found, (1440, 900)),
    ("models-licence", licence, (1440, 900)),
    ("models-gate", gate, (1440, 900)),
    ("models-gate-unaccepted", gate_unaccepted, (1440, 900)),
    ("models-sign-in", sign_in, (1440, 900)),
    ("models-cancel", cancel, (1440, 900)),
    ("models-import", imports, (1440, 900)),
    ("models-drop", dropping, (1440, 900)),
    ("storage", storage, (1440, 1180)),
    ("storage-work", storage_work, (1440, 900)),
    ("storage-move", storage_move, (1440, 900)),
    ("storage-remove", storage_remove, (1440, 900)),
    ("storage-waiting", storage_waiting, (1440, 900)),
    ("storage-error", storage_error, (1440, 900)),
    ("downloads-tray", tray, (1440, 900)),
    ("settings-network", account, (1280, 900)),
    ("small-models", browse, (1024, 640)),
    ("small-models-details", downloads, (1024, 640)),
    ("small-storage", storage, (1024, 640)),
    ("wide-models", details, (2560, 1080)),
)
