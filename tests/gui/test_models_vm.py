"""The view-models of the Models page, without a window: words, search, late answers, the way to a download."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.hub_protocol import Hit, PullSpec
from app.states import DownloadState
from app.weights import Download, Status
from models.card import ModelCard, ModelRef
from models.catalog.entry import Use
from models.errors import ErrorCode, ErrorInfo
from models.machine import Backend, Component, DeviceFacts, Fit, Needs, Verdict
from ui.demo_catalog import GIB
from ui.i18n import ago, file_size
from ui.viewmodels.asks import GateAsk, LicenceAsk
from ui.viewmodels.catalog import Filters, passes
from ui.viewmodels.models import ModelsVM
from ui.viewmodels.offer_words import card_size, fit_badge, progress_words, use_of
from ui.viewmodels.words import error_view


@pytest.fixture
def vm(qtbot, core):
    made = ModelsVM(core, core)
    made.heard = []
    made.asked.connect(made.heard.append)
    made.noticed.connect(made.heard.append)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 KB"),
        (464, "1 KB"),
        (999, "1 KB"),
        (43_000, "43 KB"),
        (5_400_000, "5 MB"),
        (1_000_000_000, "1 GB"),
        (123_456_000_000, "123 GB"),
    ],
)
def test_sizes_have_units(count: int, words: str) -> None:
    assert file_size(count) == words


@pytest.mark.parametrize(("days", "words"), [(0, "today"), (1, "yesterday"), (12, "12 days ago")])
def test_times_past(days: int, words: str) -> None:
    assert ago(1_790_000_000 - days * 86400, 1_790_000_000) == words


@pytest.mark.parametrize(
    ("tag", "use"),
    [
        ("apache-2.0", Use.COMMERCIAL), ("mit", Use.COMMERCIAL), ("openrail++", Use.COMMERCIAL), ("other", Use.UNKNOWN),
        ("cc-by-nc-4.0", Use.RESEARCH), ("cc-by-4.0", Use.COMMERCIAL), ("", Use.UNKNOWN),
        ("flux-1-dev-non-commercial-license", Use.RESEARCH),
    ],
)  # fmt: skip
def test_licence_tags(tag: str, use: Use) -> None:
    assert use_of(tag) is use


def test_what_is_too_large_says_which_card_it_needs() -> None:
    verdict = Verdict(Fit.TOO_LARGE, 20 * GIB, 11 * GIB, False)
    assert fit_badge(verdict) == ("Too large: needs 24 GB", "bad")
    assert card_size(300 * GIB) == "326"
    assert fit_badge(None) == ("", "")


def download(state: DownloadState, **more) -> Download:
    return Download("d", "m", "M", PullSpec("a/b"), state, **{"total_bytes": 10**9, "done_bytes": 10**8, **more})


@pytest.mark.parametrize(
    ("made", "line"),
    [
        (download(DownloadState.QUEUED), "Waiting for its turn · 100 MB of 1 GB"),
        (download(DownloadState.PREPARING), "Asking the hub what to fetch"),
        (
            download(DownloadState.RUNNING, speed=2e6, seconds_left=90.0),
            "100 MB of 1 GB · 2 MB a second · 1 min 30 s left",
        ),
        (download(DownloadState.RUNNING, waiting=7.0), "No connection; next try in 7 s · 100 MB of 1 GB"),
        (download(DownloadState.RUNNING, total_bytes=0), "100 MB"),
        (download(DownloadState.PAUSED), "Paused · 100 MB of 1 GB"),
        (download(DownloadState.VERIFYING), "Checking that every byte is right · 100 MB of 1 GB"),
        (download(DownloadState.DONE), "Ready to use · 1 GB"),
    ],
)
def test_every_state_of_a_download_has_words(made: Download, line: str) -> None:
    assert progress_words(made).line == line


def test_every_state_has_a_row(vm, core) -> None:
    for state in DownloadState:
        core.downloads._all[state.value] = download(state, created=1.0)
    assert len(vm.downloads.rows()) == len(DownloadState) - 1, "cancelled ones are not shown"
    assert vm.downloads.tray().fraction == pytest.approx(0.1)


def test_filters_mean_what_they_say(core) -> None:
    offers = core.offers.all()
    small = [o.entry.id for o in offers if passes(Filters(size="1"))(o)]
    assert "realesrgan" in small
    assert "sdxl" not in small
    large = [o for o in offers if passes(Filters(size="-20"))(o)]
    assert all(o.entry.download_bytes > 20e9 for o in large)
    helpers = {o.entry.role.value for o in offers if passes(Filters(role="helpers"))(o)}
    assert helpers == {"depth", "background-removal", "caption"}
    edits = [o.entry.id for o in offers if passes(Filters(role="edit"))(o)]
    assert "flux2-klein-4b" in edits, "what it can also do counts"


def test_a_late_answer_of_the_hub_is_dropped(vm, core) -> None:
    core.weights.hold()
    vm.catalog.set_query("animagine")
    vm.catalog.search_hub()
    vm.catalog.set_query("realvis")
    core.weights.release()
    assert all("animagine" not in key for key in list(vm.catalog.board.keys()))


def test_a_late_description_of_another_file_is_dropped(vm, core) -> None:
    vm.choose("repo:someone/single-file")
    core.weights.hold()
    vm.choose_file("model-v2.safetensors")
    vm.choose_file("model-fp16.safetensors")
    core.weights.release()
    assert core.hub.described[-1].file == "model-fp16.safetensors"
    assert vm.actions().busy == ""


def test_what_the_catalog_has_is_not_listed_again_from_the_hub(vm, core) -> None:
    core.hub.hits = (Hit("stabilityai/stable-diffusion-xl-base-1.0"), Hit("someone/xl-new"))
    vm.catalog.set_query("xl")
    vm.catalog.search_hub()
    keys = vm.catalog.board.keys()
    assert "repo:someone/xl-new" in keys
    assert "repo:stabilityai/stable-diffusion-xl-base-1.0" not in keys


def test_choosing_a_known_repository_shows_the_entry(vm) -> None:
    vm.choose("repo:stabilityai/stable-diffusion-xl-base-1.0")
    assert vm.chosen in ("sdxl", "repo:stabilityai/stable-diffusion-xl-base-1.0")


def test_a_licence_is_asked_before_the_gate(vm, core) -> None:
    vm.choose("flux2-klein-9b")
    vm.command("download")
    assert isinstance(vm.heard[0], LicenceAsk)
    vm.heard[0].accepted()
    assert isinstance(vm.heard[1], GateAsk)
    assert vm.heard[1].other == "FLUX.2 klein 4B"
    core.hub.user = "mia"
    vm.heard[1].again()
    assert [d.model for d in core.downloads.all()] == ["flux2-klein-9b"]


def test_a_repository_without_a_clear_licence_is_asked_about_once(vm, core) -> None:
    core.hub.hits = ()
    facts_of = core.hub.describe

    def unclear(spec, then, failed):
        import msgspec

        facts_of(spec, lambda facts: then(msgspec.structs.replace(facts, licence="other")), failed)

    core.hub.describe = unclear
    vm.choose("repo:someone/new")
    vm.command("download")
    assert isinstance(vm.heard[0], LicenceAsk)
    vm.heard[0].accepted()
    assert core.downloads.all()[0].model == "someone/new"


def test_requirements_count_into_the_download(vm, core) -> None:
    vm.choose("depth-sdxl")
    both = core.offers.get("depth-sdxl").entry.download_bytes + core.offers.get("depth-small").entry.download_bytes
    assert vm.actions().primary[1] == f"Download {file_size(both)}"
    assert ("Also fetches", "Depth Anything small") in [(t, links[0].words) for t, links in vm.details().related]


@pytest.mark.parametrize(
    ("status", "command"),
    [
        (Status.AVAILABLE, "download"),
        (Status.PARTIAL, "download"),
        (Status.INSTALLED, "use"),
        (Status.DAMAGED, "repair"),
    ],
)
def test_each_status_has_its_one_action(vm, core, status, command) -> None:
    core.offers.change("sdxl", status=status, model_id="sdxl" if status is Status.INSTALLED else "")
    vm.choose("sdxl")
    assert vm.actions().primary[0] == command


def test_an_ended_download_does_not_stand_in_the_way(vm, core) -> None:
    made = core.downloads.start("sdxl")
    core.downloads.cancel(made.id)
    ended = core.downloads.all()[0]
    core.offers.change("sdxl", download=ended)
    vm.choose("sdxl")
    assert vm.actions().primary[0] == "download"


def test_a_repository_s_fit_comes_from_its_weights(vm, core) -> None:
    import msgspec

    needs = Needs((Component("unet", 2_600_000_000), Component("vae", 80_000_000)))
    told = core.hub.describe
    core.hub.describe = lambda spec, then, failed: told(
        spec, lambda facts: then(msgspec.structs.replace(facts, needs=needs)), failed
    )
    vm.choose("repo:someone/new")
    assert vm.details().verdict == ("", ""), "the machine is not known yet"
    device = DeviceFacts(Backend.CUDA, 0, "GPU", 12 * GIB, 11 * GIB, 32 * GIB, 20 * GIB, (8, 6), True, True)
    core.engine.become(core.engine.state, device)
    assert vm.details().verdict[0] == "Runs fast"


def test_the_machine_known_from_the_last_time_counts_until_the_engine_is_ready(vm, core) -> None:
    core.offers.device = DeviceFacts(Backend.CPU, -1, "CPU", 12 * GIB, 11 * GIB, 32 * GIB, 20 * GIB)
    assert vm._memory()[0] == "memory"


def test_a_pasted_name_of_a_model_that_is_here_shows_it_once(vm, core) -> None:
    here = "someone/own"
    card = ModelCard(ModelRef(here, here, "diffusers"))
    core.models.all.append(replace(core.models.all[0], card=card))
    vm.catalog.set_query(here)
    sections = vm.catalog.board.sections()
    cards = [key for section in sections for key in section.keys if key.startswith("repo:")]
    assert (sections[0].title, cards) == ("On this computer", [f"repo:{here}"])


@pytest.mark.parametrize(
    ("code", "facts", "page"),
    [
        (ErrorCode.ROOM_SHORT, {"needed_gb": 1, "free_gb": 0, "path": "/"}, "open_storage"),
        (ErrorCode.BASE_MISSING, {"base": "sdxl", "model": "x", "family": "y"}, "get_model"),
    ],
)
def test_errors_lead_to_their_page(vm, code, facts, page) -> None:
    wanted = []
    vm.wanted.connect(wanted.append)
    vm.act(error_view(ErrorInfo(code, facts)))
    assert wanted == [page]


def test_going_online(vm, core) -> None:
    core.settings.change(offline=True)
    vm.act(error_view(ErrorInfo(ErrorCode.OFFLINE)))
    assert core.settings.value.offline is False


def test_links_open_only_web_addresses(monkeypatch) -> None:
    from PySide6.QtGui import QDesktopServices

    from ui.viewmodels import desktop

    opened = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toString()))
    for url in ("https://huggingface.co/a/b", "file:///etc/passwd", "javascript:alert(1)", ""):
        desktop.open_link(url)
    assert opened == ["https://huggingface.co/a/b"]
