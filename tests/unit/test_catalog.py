"""The catalog: what ships is complete and true to the pipeline table, and a person's own files cannot break it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from models.catalog import search
from models.catalog.entry import CatalogEntry, Role, Use
from models.catalog.load import Catalog, CatalogError, catalog, check, entries_of
from models.catalog.search import Filter, Index, fold, only, words
from models.catalog.shelves import Shelf, card, memory_by_precision, processor, rules, shelves
from models.families import FAMILIES, family_of
from models.pipelines import Task, row
from models.planning import WIDTHS, Fit, verdict, weight_bytes
from models.schemas import schema_for

SHIPPED = catalog()
MODELS = [entry for entry in SHIPPED if entry.is_model]
PIPELINES = [entry for entry in SHIPPED if entry.pipeline]
MINIMAL = """
[[entry]]
id = "mine"
name = "My model"
repo = "me/mine"
summary = "A model of my own."
role = "text-to-image"
family = "sdxl"
licence = { name = "MIT", use = "commercial" }
allow = ["model_index.json"]
checked = "by me"
"""


def task(entry: CatalogEntry) -> Task | None:
    found = row(entry.pipeline)
    return found.task if found else None


def by_name(entries: list[CatalogEntry]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("entry", entries, ids=[entry.id for entry in entries])


# -- what ships -------------------------------------------------------------------------------------------------------


def test_there_is_something_for_every_task() -> None:
    assert len(SHIPPED) >= 60
    found = {role for entry in SHIPPED for role in (entry.role, *entry.also)}
    assert found == set(Role)
    assert len([entry for entry in MODELS if entry.role is Role.TEXT_TO_IMAGE]) >= 30
    controlled = {family for entry in SHIPPED if entry.role is Role.CONTROLNET for family in entry.fits}
    assert {"sd15", "sdxl", "flux1", "qwen-image", "z-image"} <= controlled


def test_what_people_look_for_is_there() -> None:
    wanted = "sd15 dreamshaper-8 sdxl-base sdxl-turbo flux1-schnell flux1-dev flux2-klein-4b flux2-dev qwen-image-2512"
    wanted += " qwen-image-edit-2511 z-image-turbo sd35-medium sd35-large flux1-kontext flux1-fill sana-sprint-16"
    wanted += " hidream-i1-fast krea-2-turbo ernie-image-turbo chroma1-hd instruct-pix2pix vae-sdxl-fp16-fix taesd"
    assert [name for name in wanted.split() if SHIPPED.get(name) is None] == []


@by_name(list(SHIPPED))
def test_an_entry_is_complete(entry: CatalogEntry) -> None:
    assert entry.id == entry.id.lower()
    assert entry.repo.count("/") == 1
    assert entry.family in FAMILIES
    assert 10 <= len(entry.summary) <= 110
    assert entry.summary.endswith(".")
    assert entry.licence.url.startswith("https://")
    assert entry.checked
    assert entry.tags
    assert entry.allow
    assert entry.download_bytes > 0 or "download_bytes" in entry.unverified
    fields = {field.name for field in msgspec.structs.fields(CatalogEntry)}
    assert set(entry.unverified) <= fields
    if entry.gated and entry.is_model:
        assert entry.ungated
    if entry.ungated:
        other = SHIPPED.get(entry.ungated)
        assert other is not None
        assert not other.gated
        assert not {entry.role, *entry.also}.isdisjoint((other.role, *other.also))


@by_name(MODELS)
def test_a_model_can_be_planned_and_tried(entry: CatalogEntry) -> None:
    found = row(entry.pipeline)
    assert found is not None
    assert not found.deprecated
    names = [component.name for component in entry.components]
    assert set(names) <= set(found.components)
    assert len(names) == len(set(names))
    assert any(component.is_denoiser for component in entry.components)
    assert any(component.is_vae for component in entry.components)
    assert all(component.quantized or component.stored_dtype in WIDTHS for component in entry.components)
    assert all(side >= 256 and side % 8 == 0 for side in entry.size)
    assert entry.token_area in (64, 256, 1024)
    assert len(entry.examples) >= 2
    assert entry.defaults
    assert verdict(entry.needs, card(80)).fit is not Fit.TOO_LARGE


@by_name([entry for entry in SHIPPED if entry.pipeline])
def test_sizes_and_parameter_counts_agree(entry: CatalogEntry) -> None:
    apart = {component.name for name in entry.requires for component in (SHIPPED.get(name) or entry).components}
    own = [part for part in entry.components if part.name not in apart or part.quantized]
    packed = sum(weight_bytes(part, "bfloat16") for part in own if part.quantized)
    stored = packed + sum(part.parameters * WIDTHS[part.stored_dtype] for part in own if not part.quantized)
    mixed = 0.8 if entry.file else 0.95  # GGUF files keep some layers in more bits
    assert mixed < stored / entry.download_bytes < 1.01


@by_name(MODELS)
def test_a_model_belongs_to_the_family_of_its_pipeline(entry: CatalogEntry) -> None:
    widths: dict[str, dict[str, dict[str, object]]] = {
        "sd2": {"unet": {"cross_attention_dim": 1024}},
        "ssd-1b": {"unet": {"cross_attention_dim": 2048, "mid_block_type": None}},
        "sdxl-refiner": {"unet": {"cross_attention_dim": 1280}},
        "playground": {"scheduler": {"_class_name": "EDMDPMSolverMultistepScheduler"}},
        "sd35-large": {"transformer": {"num_layers": 38}},
        "sd35-medium": {"transformer": {"num_layers": 24, "dual_attention_layers": [0, 1]}},
        "flux2-klein-9b": {"transformer": {"num_attention_heads": 32}},
    }
    assert family_of(entry.pipeline, widths.get(entry.family)) == entry.family


@by_name([entry for entry in MODELS if task(entry) is Task.TEXT_TO_IMAGE])
def test_recommended_settings_are_ones_the_form_has_and_takes(entry: CatalogEntry) -> None:
    unet = any(component.name == "unet" for component in entry.components)
    scheduler = "EulerDiscreteScheduler" if unet else "FlowMatchEulerDiscreteScheduler"
    configs = {"scheduler": {"_class_name": scheduler}}
    schema = schema_for(entry.pipeline, configs, entry.defaults)
    taken = {name: schema[name].default for name in entry.defaults if name in schema}
    assert taken == entry.defaults


@by_name([entry for entry in MODELS if entry.role is not Role.TEXT_TO_IMAGE])
def test_recommended_settings_are_inputs_of_the_pipeline(entry: CatalogEntry) -> None:
    found = row(entry.pipeline)
    assert found is not None
    spelled = {"steps": "num_inference_steps"}
    own = {"scheduler"}  # the form's, not the pipeline's
    assert {spelled.get(name, name) for name in entry.defaults} - own <= set(found.inputs)


@by_name([entry for entry in SHIPPED if not entry.is_model])
def test_an_add_on_says_what_it_fits(entry: CatalogEntry) -> None:
    assert entry.fits
    assert entry.file or entry.pipeline or entry.components
    if entry.file:
        assert entry.file in entry.allow
    if entry.role is Role.UPSCALER:
        assert entry.scale in (2, 4)


@by_name([entry for entry in SHIPPED if entry.fast])
def test_few_step_loras_fit_the_model_they_are_named_for(entry: CatalogEntry) -> None:
    for name in entry.fast:
        lora = SHIPPED.get(name)
        assert lora is not None
        assert lora.role is Role.LORA
        assert entry.family in lora.fits
        assert "steps" in lora.defaults


def test_references_are_checked() -> None:
    entry = entries_of(MINIMAL, "mine.toml")[0]
    replace = msgspec.structs.replace
    assert check([entry], {}) == {}
    assert "twice" in check([entry, entry], {})["mine"]
    for wrong in ({"requires": ("gone",)}, {"fast": ("gone",)}, {"ungated": "gone"}):
        assert "gone" in check([replace(entry, **wrong)], {})["mine"]
    assert "no-family" in check([replace(entry, fits=("no-family",))], {})["mine"]
    assert "no-family" in check([replace(entry, family="no-family")], {})["mine"]


def test_it_is_read_once_and_found_by_id_and_repository() -> None:
    assert catalog() is SHIPPED
    assert SHIPPED.get("sdxl-base") in SHIPPED.by_repo("StabilityAI/stable-diffusion-xl-base-1.0")
    assert len(SHIPPED.by_repo("h94/IP-Adapter")) == 6
    assert SHIPPED.get("no-such-model") is None
    assert SHIPPED.by_repo("no/such") == ()


def test_recommended_models_come_first() -> None:
    order = [entry.id for entry in SHIPPED]
    assert order[: len(SHIPPED.preferred)] == list(SHIPPED.preferred)
    last_model = max(number for number, entry in enumerate(SHIPPED) if entry.is_model)
    assert last_model == len(MODELS) - 1


# -- a person's own files ---------------------------------------------------------------------------------------------


def test_own_entries_are_added_and_found(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(MINIMAL)
    both = catalog(tmp_path)
    assert both.problems == ()
    assert len(both) == len(SHIPPED) + 1
    assert Index(both.entries).search("my model")[0].id == "mine"
    assert SHIPPED.get("mine") is None


@pytest.mark.parametrize(
    "content",
    [
        b"not toml at all [",
        b"\xff\xfe\x00\x01",
        b"",
        MINIMAL.replace('repo = "me/mine"', "").encode(),
        MINIMAL.replace('"me/mine"', "7").encode(),
        (MINIMAL + "weights_url = 'x'\n").encode(),
        MINIMAL.replace("text-to-image", "mind-reading").encode(),
        MINIMAL.replace('"mine"', '"sdxl-base"').encode(),
        (MINIMAL + 'requires = ["nothing"]\n').encode(),
        MINIMAL.replace('"sdxl"', '"no-such-family"').encode(),
        b"entry = " + b"[" * 5000 + b"]" * 5000,
        b"#" * 4_000_001,
    ],
    ids=["syntax", "bytes", "empty", "missing", "type", "field", "role", "twice", "dangling", "family", "deep", "huge"],
)
def test_a_broken_file_of_ones_own_breaks_nothing_else(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.toml").write_bytes(content)
    (tmp_path / "good.toml").write_text(MINIMAL.replace('"mine"', '"good"'))
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "words.txt").write_text("not a catalog file")
    found = catalog(tmp_path)
    assert found.get("good") is not None
    assert len(found) == len(SHIPPED) + 1
    assert len(found.problems) == (1 if content else 0)


def test_what_depended_on_a_refused_entry_goes_too(tmp_path: Path) -> None:
    bad = MINIMAL.replace('"mine"', '"bad"').replace('"sdxl"', '"no-such-family"')
    (tmp_path / "a.toml").write_text(bad + MINIMAL + 'requires = ["bad"]\n')
    found = catalog(tmp_path)
    assert len(found) == len(SHIPPED)
    assert len(found.problems) == 2


def test_a_missing_folder_is_no_problem(tmp_path: Path) -> None:
    assert catalog(tmp_path / "none") is SHIPPED


def test_a_fault_is_named_with_its_place() -> None:
    with pytest.raises(CatalogError, match=r"mine\.toml.*entry.*size"):
        entries_of(MINIMAL + 'size = "large"\n', "mine.toml")


# -- search -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def index() -> Index:
    return Index(SHIPPED.entries)


def found(index: Index, query: str) -> list[str]:
    return [entry.id for entry in index.search(query)]


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("sdxl", "sdxl-base"),
        ("SD 1.5", "sd15"),
        ("z-im", "z-image-turbo"),
        ("flux edit", "flux2-klein-4b"),
        ("kontext", "flux1-kontext"),
        ("remove background", "birefnet-lite"),
        ("lykon inpaint", "dreamshaper-8-inpaint"),
        ("Zürich", "marigold-depth"),
        ("zurich", "marigold-depth"),
        ("Tongyi-MAI/Z-Image-Turbo", "z-image-turbo"),
        ("controlnet pose", "cn-sd15-openpose"),
        ("upscale quick x4", "realesrgan-x4"),
    ],
)
def test_the_best_match_comes_first(index: Index, query: str, first: str) -> None:
    assert found(index, query)[0] == first


def test_every_word_must_be_found(index: Index) -> None:
    assert set(found(index, "sdxl lora")) < set(found(index, "lora"))
    assert found(index, "sdxl nothinglikeit") == []


def test_typing_on_never_loses_what_still_matches(index: Index) -> None:
    name = "dreamshaper"
    for end in range(1, len(name) + 1):
        assert {"dreamshaper-8", "dreamshaper-xl-turbo"} <= set(found(index, name[:end]))


@pytest.mark.parametrize("query", ["dramshaper", "dreamshapper", "dreamsahper", "dreamshsper", "dramsha"])
def test_one_slip_is_forgiven(index: Index, query: str) -> None:
    assert "dreamshaper-8" in found(index, query)


def test_slips_are_forgiven_only_where_nothing_else_matches(index: Index) -> None:
    assert "sana-sprint-16" not in found(index, "sam2")
    assert found(index, "zzz") == []


def test_an_empty_query_finds_everything_in_order(index: Index) -> None:
    assert index.search("  ") == list(SHIPPED.entries)
    assert index.search("--- !") == list(SHIPPED.entries)


def test_words_are_folded_and_taken_apart() -> None:
    assert fold("ZÜRICH Ünïcode ﬁne") == "zurich unicode fine"
    assert list(words("SD1.5-Model")) == ["sd1", "sd", "1", "5", "model"]


@pytest.mark.parametrize("query", ["(", "a" * 10_000, "\x00", "🎨", "[a-z]*", "sdxl " * 500])
def test_no_query_is_an_error(index: Index, query: str) -> None:
    assert isinstance(index.search(query), list)


def test_a_page_that_was_pasted_is_not_searched_for_every_slip(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    monkeypatch.setattr(search, "_slips", lambda word: tried.append(word) or ())
    index.search("b" * 10_000)
    index.search(" ".join(f"wrod{number}" for number in range(10_000)))
    assert len(tried) <= 1, "the first word that is nowhere ends it"
    assert all(len(word) <= search.LONGEST_SLIP for word in tried)


def test_filters_of_entries() -> None:
    free = only(SHIPPED, Filter(uses=frozenset({Use.COMMERCIAL}), roles=frozenset({Role.EDIT})))
    assert free
    assert all(entry.licence.use is Use.COMMERCIAL for entry in free)
    assert any(entry.role is not Role.EDIT for entry in free), "those that also edit count"
    small = only(SHIPPED, Filter(max_bytes=1_000_000_000))
    assert small
    assert all(0 < entry.download_bytes <= 1_000_000_000 for entry in small)
    fitting = only(SHIPPED, Filter(families=frozenset({"flux1"})))
    assert {"flux1-dev", "cn-flux1-union", "taef1"} <= {entry.id for entry in fitting}
    assert only(SHIPPED, Filter()) == list(SHIPPED)


# -- shelves ----------------------------------------------------------------------------------------------------------

SHELVES = {shelf.id: shelf for shelf in shelves(SHIPPED)}


def test_no_shelf_is_empty_and_every_size_of_card_has_one() -> None:
    assert list(SHELVES) == [rule.id for rule in rules()]
    assert {"vram-4", "vram-6", "vram-8", "vram-12", "vram-16", "vram-24", "commercial", "editing"} <= set(SHELVES)
    assert all(len(shelf.entries) >= 4 for shelf in SHELVES.values())


@pytest.mark.parametrize("size", [4, 6, 8, 12, 16, 24])
def test_what_stands_on_a_shelf_runs_on_such_a_card(size: int) -> None:
    for entry in SHELVES[f"vram-{size}"].entries:
        assert verdict(entry.needs, card(size)).fit is not Fit.TOO_LARGE, entry.id


def test_conditions_of_the_other_shelves_hold() -> None:
    assert all(entry.licence.use is Use.COMMERCIAL for entry in SHELVES["commercial"].entries)
    assert not any(entry.gated for entry in SHELVES["commercial"].entries)
    assert all(Role.EDIT in (entry.role, *entry.also) for entry in SHELVES["editing"].entries)
    assert all(int(entry.defaults["steps"]) <= 8 for entry in SHELVES["quick"].entries)
    for entry in SHELVES["processor"].entries:
        assert verdict(entry.needs, processor()).fit is Fit.FAST


def test_nothing_that_needs_more_than_its_download_is_offered() -> None:
    assert not any(entry.requires for shelf in SHELVES.values() for entry in shelf.entries)


def test_an_empty_catalog_has_no_shelves() -> None:
    empty: tuple[Shelf, ...] = shelves(Catalog([]))
    assert empty == ()


def test_memory_by_precision() -> None:
    entry = SHIPPED.get("sdxl-base")
    assert entry is not None
    sizes = memory_by_precision(entry)
    assert list(sizes) == ["float32", "bfloat16", "8-bit", "4-bit"]
    assert sizes["bfloat16"] == 2 * entry.parameters
    assert sorted(sizes.values(), reverse=True) == list(sizes.values())
    lora = SHIPPED.get("lcm-lora-sdxl")
    assert lora is not None
    assert memory_by_precision(lora) == {}
