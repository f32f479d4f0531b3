"""The catalog as a machine sees it: what is here, by what lies in the cache and what was found of the model."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.events import OffersChanged
from app.hub_protocol import PullSpec
from app.models import Models
from app.offers import LateCatalog, Offers
from app.paths import ASSETS, default_paths
from app.serial import AtOnce
from app.settings import SettingsStore
from app.weights import Status
from models.errors import AtelierError, ErrorCode
from tests import cache_trees as trees
from tests.unit.test_downloads import Table

SD15 = "stable-diffusion-v1-5/stable-diffusion-v1-5"
HYPER = "ByteDance/Hyper-SD"


class Stall:
    """Offers over a cache of the test's, everything looked at once."""

    def __init__(self, tmp_path: Path) -> None:
        self.cache = tmp_path / "hub"
        self.table = Table(tmp_path / "library.sqlite3")
        events, worker = self.table.events, AtOnce()
        settings = SettingsStore(default_paths().create().settings)
        self.models = Models(settings, events, ASSETS, self.cache, catalog=LateCatalog())
        self.offers = Offers(
            self.models, self.table.downloads, self.table.store, worker, worker, events,  # type: ignore[arg-type]
            lambda: self.cache,
        )  # fmt: skip
        self.told: list[OffersChanged] = []
        events.subscribe(OffersChanged, self.told.append)
        self.models.refresh()

    def put(self, repo: str, files: dict[str, bytes]) -> None:
        trees.put(self.cache, repo, files)
        self.models.refresh()

    def status(self, key: str) -> Status:
        offer = self.offers.get(key)
        assert offer is not None
        return offer.status


@pytest.fixture
def stall(tmp_path: Path) -> Stall:
    return Stall(tmp_path)


def test_a_model_whose_files_have_other_names_than_the_catalog_says_is_here(stall: Stall) -> None:
    assert stall.status("sd15") is Status.AVAILABLE
    stall.put(SD15, trees.pipeline())  # no “fp16” in any name
    offer = stall.offers.get("sd15")
    assert offer is not None
    assert (offer.status, offer.model_id) == (Status.INSTALLED, SD15)


def test_a_model_without_one_of_its_files_is_unfinished_and_that_is_told(stall: Stall) -> None:
    files = trees.pipeline()
    del files["vae/diffusion_pytorch_model.safetensors"]
    stall.told.clear()
    stall.put(SD15, files)
    assert stall.status("sd15") is Status.PARTIAL
    assert stall.told, "what changed only in the model itself is told, too"


def test_the_download_of_one_file_is_not_that_of_its_neighbours(stall: Stall) -> None:
    stall.table.downloads.add("hyper-sd15-8", "Hyper", PullSpec(HYPER, allow=("Hyper-SD15-8steps-lora.safetensors",)))
    assert stall.status("hyper-sd15-8") is Status.DOWNLOADING
    assert stall.status("hyper-sdxl-8") is Status.AVAILABLE
    stall.table.downloads.add(SD15, "all", PullSpec(SD15))
    assert stall.status("sd15") is Status.DOWNLOADING
    stall.table.downloads.add("Tongyi-MAI/Z-Image", "one", PullSpec("Tongyi-MAI/Z-Image", file="other.safetensors"))
    assert stall.status("z-image") is Status.AVAILABLE


def test_what_is_required_comes_first_unless_it_is_here(stall: Stall) -> None:
    wanted = stall.offers.wanted("z-image-turbo-q4")
    assert [one.model for one in wanted] == ["z-image-turbo", "z-image-turbo-q4"]
    assert wanted[0].total_bytes > wanted[1].total_bytes


def test_capitals_do_not_matter(stall: Stall) -> None:
    assert [one.model for one in stall.offers.wanted("SD15")] == ["sd15"]
    assert [one.model for one in stall.offers.wanted(SD15.upper())] == ["sd15"]
    assert stall.offers.get("SD15") == stall.offers.get("sd15")


def test_a_licence_with_conditions_is_accepted_first_and_kept(stall: Stall) -> None:
    with pytest.raises(AtelierError) as refused:
        stall.offers.wanted("sdxl-turbo")
    assert refused.value.code is ErrorCode.LICENCE_NOT_ACCEPTED
    stall.offers.accept("sdxl-turbo")
    assert stall.offers.wanted("sdxl-turbo")
    assert stall.table.store.accepted_licences()


def test_names_that_mean_nothing_are_refused_with_near_ones(stall: Stall) -> None:
    with pytest.raises(AtelierError) as refused:
        stall.offers.wanted("sdxl-trubo")
    assert refused.value.code is ErrorCode.REPO_NOT_FOUND
    assert "sdxl-turbo" in refused.value.info.detail
