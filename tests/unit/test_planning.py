"""Plans for real machines and real models, and what must hold for every machine and model there could be."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import planning
from models.errors import AtelierError, ErrorCode
from models.planning import GB, GIB, Backend, Component, DeviceFacts, Fit, Needs, Placement, Plan


def machine(
    backend: Backend,
    name: str,
    memory: float,
    ram: float,
    *,
    ram_free: float = 0,
    system: str = "Linux 6.8",
    **more: object,
) -> DeviceFacts:
    """A machine with ``memory`` and ``ram`` in GiB: a desktop uses 8 % of the card and 30 % of the RAM."""
    ram_free = ram_free or ram * 0.7
    shared = backend is Backend.CPU
    return DeviceFacts(
        backend, 0, name, int(memory * GIB), int((ram_free if shared else memory * 0.92) * GIB),
        int(ram * GIB), int(ram_free * GIB), system=system, **more,  # type: ignore[arg-type]
    )  # fmt: skip


MACHINES = {
    "RTX 3060": machine(Backend.CUDA, "NVIDIA GeForce RTX 3060", 12, 32, capability=(8, 6), fast_bf16=True),
    "RTX 4090": machine(Backend.CUDA, "NVIDIA GeForce RTX 4090", 24, 64, capability=(8, 9), fast_bf16=True),
    "GTX 1060": machine(Backend.CUDA, "NVIDIA GeForce GTX 1060 6GB", 6, 16, capability=(6, 1)),
    "RTX 2060": machine(Backend.CUDA, "NVIDIA GeForce RTX 2060", 6, 16, capability=(7, 5), fast_fp16=True),
    "GTX 1660": machine(Backend.CUDA, "NVIDIA GeForce GTX 1660 Ti", 6, 16, capability=(7, 5), fast_fp16=True),
    "RX 7900": machine(Backend.ROCM, "AMD Radeon RX 7900 XTX", 24, 64, capability=(11, 0), fast_bf16=True),
    "RX 6600": machine(Backend.ROCM, "AMD Radeon RX 6600", 8, 16, capability=(10, 3), fast_fp16=True),
    "Arc A770": machine(Backend.XPU, "Intel Arc A770", 16, 32, fast_bf16=True, fast_fp16=True),
    "M1 8 GB": machine(Backend.MPS, "Apple M1", 5.33, 8, ram_free=3, system="macOS 14.5", fast_bf16=True),
    "M1 old": machine(Backend.MPS, "Apple M1", 10.7, 16, ram_free=9, system="macOS 13.6"),
    "M3 Max": machine(Backend.MPS, "Apple M3 Max", 48, 64, system="macOS 15.1", fast_bf16=True),
    "CPU": machine(Backend.CPU, "Intel Core i5-8250U", 16, 16, ram_free=12),
    "CPU bf16": machine(Backend.CPU, "AMD Ryzen 9 9950X", 16, 16, ram_free=12, fast_bf16=True),
}


def part(name: str, millions: float, dtype: str = "float16", kind: str = "", leaf: float = 0) -> Component:
    return Component(name, int(millions * 1e6), dtype, kind, int(leaf * 1e6))


# Counted from the published safetensors headers; the largest single layer last.
MODELS = {
    "sd15": Needs(
        (
            part("unet", 860, leaf=14.7), part("text_encoder", 123, leaf=38),
            part("vae", 84, "float16", "AutoencoderKL", 2.4),
        ),
        512 * 512, "StableDiffusionPipeline", 64,
    ),
    "sdxl": Needs(
        (
            part("unet", 2567, leaf=13.1), part("text_encoder", 123, leaf=38), part("text_encoder_2", 695, leaf=63),
            part("vae", 84, "float16", "AutoencoderKL", 2.4),
        ),
        1024 * 1024, "StableDiffusionXLPipeline",
    ),
    "flux": Needs(
        (
            part("transformer", 11901, "bfloat16", leaf=57), part("text_encoder", 123, "bfloat16", leaf=38),
            part("text_encoder_2", 4762, "bfloat16", leaf=132), part("vae", 84, "bfloat16", "AutoencoderKL", 2.4),
        ),
        1024 * 1024, "FluxPipeline",
    ),
    "qwen": Needs(
        (
            part("transformer", 20430, "bfloat16", leaf=57), part("text_encoder", 8292, "bfloat16", leaf=545),
            part("vae", 127, "bfloat16", "AutoencoderKLQwenImage", 5),
        ),
        1328 * 1328, "QwenImagePipeline",
    ),
    "pocket": Needs(
        (part("unet", 10, "float32"), part("text_encoder", 0.5), part("vae", 0.5)), 256 * 256, "PocketPipeline"
    ),
}  # fmt: skip

REFUSED = None
TABLE = [
    # machine, model, placement, dtype, decoder's dtype
    ("RTX 3060", "sd15", Placement.WHOLE, "bfloat16", "bfloat16"),
    ("RTX 3060", "sdxl", Placement.WHOLE, "bfloat16", "bfloat16"),
    ("RTX 3060", "flux", Placement.SEQUENTIAL_OFFLOAD, "bfloat16", "bfloat16"),  # 32 GiB of RAM just hold it
    ("RTX 3060", "qwen", REFUSED, "", ""),
    ("RTX 4090", "sdxl", Placement.WHOLE, "bfloat16", "bfloat16"),
    ("RTX 4090", "flux", Placement.GROUP_OFFLOAD, "bfloat16", "bfloat16"),
    ("RTX 4090", "qwen", Placement.GROUP_OFFLOAD, "bfloat16", "bfloat16"),
    ("GTX 1060", "sd15", Placement.WHOLE, "float16", "float32"),  # in float32 it would not fit
    ("GTX 1060", "flux", REFUSED, "", ""),
    ("RTX 2060", "sd15", Placement.WHOLE, "float16", "float32"),
    ("RTX 2060", "sdxl", Placement.GROUP_OFFLOAD, "float16", "float32"),
    ("RTX 2060", "qwen", REFUSED, "", ""),
    ("GTX 1660", "sd15", Placement.MODEL_OFFLOAD, "float32", "float32"),  # float16 is broken on it
    ("RX 7900", "sdxl", Placement.WHOLE, "bfloat16", "bfloat16"),
    ("RX 7900", "flux", Placement.GROUP_OFFLOAD, "bfloat16", "bfloat16"),
    ("RX 6600", "sd15", Placement.WHOLE, "float16", "float32"),
    ("RX 6600", "sdxl", Placement.MODEL_OFFLOAD, "float16", "float32"),
    ("Arc A770", "sdxl", Placement.WHOLE, "bfloat16", "bfloat16"),
    ("M1 8 GB", "sd15", Placement.WHOLE, "float16", "float32"),
    ("M1 8 GB", "sdxl", REFUSED, "", ""),
    ("M1 8 GB", "flux", REFUSED, "", ""),
    ("M1 old", "sd15", Placement.WHOLE, "float16", "float32"),
    ("M3 Max", "sdxl", Placement.WHOLE, "float16", "float32"),
    ("M3 Max", "flux", Placement.WHOLE, "bfloat16", "bfloat16"),
    ("M3 Max", "qwen", REFUSED, "", ""),
    ("CPU", "sd15", Placement.WHOLE, "float32", "float32"),
    ("CPU", "sdxl", Placement.WHOLE, "bfloat16", "bfloat16"),  # slow, but float32 would not fit
    ("CPU", "flux", REFUSED, "", ""),
    ("CPU bf16", "sd15", Placement.WHOLE, "bfloat16", "bfloat16"),
    *((name, "pocket", Placement.WHOLE, "float32", "float32") for name in MACHINES),
]


@pytest.mark.parametrize(("name", "model", "placement", "dtype", "vae_dtype"), TABLE)
def test_first_plan_of_real_machines(
    name: str, model: str, placement: Placement | None, dtype: str, vae_dtype: str
) -> None:
    if placement is REFUSED:
        with pytest.raises(AtelierError) as caught:
            planning.plans(MODELS[model], MACHINES[name], model)
        assert caught.value.code is ErrorCode.OUT_OF_MEMORY
        assert caught.value.info.facts["needed_gb"] > caught.value.info.facts["free_gb"]  # type: ignore[operator]
        assert caught.value.info.facts["model"] == model
        return
    first = planning.plans(MODELS[model], MACHINES[name])[0]
    assert (first.placement, first.dtype, first.vae_dtype) == (placement, dtype, vae_dtype)
    assert first.device == MACHINES[name].torch_device


def test_published_peaks_lie_below_the_estimates() -> None:
    """SDXL in half precision is known to peak near 7 to 9 GB whole, SD 1.5 near 3 GB: the estimate is not below."""
    whole = {name: planning.ladder(MODELS[name], MACHINES["RTX 4090"])[0].needed_bytes for name in ("sd15", "sdxl")}
    assert 2.6 * GB < whole["sd15"] < 4 * GB
    assert 7.5 * GB < whole["sdxl"] < 11 * GB


def test_rocm_and_large_pictures_decode_in_tiles() -> None:
    assert all(plan.vae_tiling for plan in planning.plans(MODELS["sdxl"], MACHINES["RX 7900"]))
    large = msgspec.structs.replace(MODELS["sdxl"], pixels=2048 * 2048)
    assert all(plan.vae_tiling for plan in planning.plans(large, MACHINES["RTX 4090"]))
    assert not planning.plans(MODELS["sdxl"], MACHINES["RTX 4090"])[0].vae_tiling
    slightly_larger = msgspec.structs.replace(MODELS["sdxl"], pixels=1152 * 1152)
    assert all(plan.vae_tiling for plan in planning.plans(slightly_larger, MACHINES["M3 Max"]))


def test_attention_slicing_only_for_little_memory_without_fused_attention() -> None:
    sliced = {name for name, facts in MACHINES.items() if any(p.attention_slicing for p in ladder("sdxl", facts))}
    assert sliced == {"RX 6600"}


def ladder(model: str, facts: DeviceFacts) -> tuple[Plan, ...]:
    return planning.ladder(MODELS[model], facts)


def test_families_that_overflow_never_run_in_float16() -> None:
    for facts in MACHINES.values():
        assert all(plan.dtype != "float16" for plan in ladder("qwen", facts))


def test_an_autoencoder_made_for_float16_stays_in_it() -> None:
    unet, *others, vae = MODELS["sdxl"].components
    fixed = msgspec.structs.replace(vae, fp16_safe=True)
    needs = msgspec.structs.replace(MODELS["sdxl"], components=(unet, *others, fixed))
    assert all(plan.vae_dtype == plan.dtype for plan in planning.ladder(needs, MACHINES["RTX 2060"]))


def test_quantized_weights_keep_their_size() -> None:
    packed = Component("transformer", 6_000_000_000, "uint8", quantized=True)
    assert planning.weight_bytes(packed, "float32") == 6_000_000_000
    assert planning.weight_bytes(msgspec.structs.replace(packed, quantized=False), "float32") == 24_000_000_000


def test_t5_is_larger_than_float16_says() -> None:
    t5 = Component("text_encoder_2", 4_800_000_000, "bfloat16", "T5EncoderModel")
    assert planning.weight_bytes(t5, "bfloat16") == 9_600_000_000
    assert planning.weight_bytes(t5, "float16") == 12_000_000_000


def test_verdict_does_not_depend_on_what_is_loaded_now() -> None:
    busy = msgspec.structs.replace(MACHINES["RTX 3060"], memory_free=1 * GIB)
    idle = planning.verdict(MODELS["sdxl"], MACHINES["RTX 3060"])
    now = planning.verdict(MODELS["sdxl"], busy)
    assert (idle.fit, idle.fits_now) == (Fit.FAST, True)
    assert (now.fit, now.fits_now) == (Fit.FAST, False)
    assert planning.verdict(MODELS["flux"], MACHINES["RTX 4090"]).fit is Fit.OFFLOAD
    too_large = planning.verdict(MODELS["flux"], MACHINES["M1 8 GB"])
    assert too_large.fit is Fit.TOO_LARGE
    assert too_large.plan is None
    assert too_large.needed_bytes > too_large.usable_bytes


def test_too_little_ram_for_offloading_is_said_as_such() -> None:
    with pytest.raises(AtelierError) as caught:
        planning.plans(MODELS["qwen"], MACHINES["RTX 3060"])
    assert caught.value.info.facts["memory"] == "ram"
    assert caught.value.info.facts["needed_gb"] > 57  # type: ignore[operator]


def test_budget_leaves_room_for_the_work() -> None:
    assert planning.worker_memory_budget(MACHINES["RTX 3060"]) == 9 * GIB
    assert planning.worker_memory_budget(MACHINES["CPU"]) == 8 * GIB


def test_choosing_a_device() -> None:
    card, other, cpu = MACHINES["RTX 3060"], MACHINES["RTX 4090"], MACHINES["CPU"]
    other = msgspec.structs.replace(other, index=1)
    assert planning.choose([card, other, cpu]) is other
    assert planning.choose([cpu]) is cpu
    assert planning.choose([card, other, cpu], "cuda") is card
    assert planning.choose([card, other, cpu], "cuda:1") is other
    assert planning.choose([card, cpu], "cpu") is cpu
    with pytest.raises(AtelierError) as caught:
        planning.choose([cpu], "cuda:0")
    assert caught.value.code is ErrorCode.DEVICE_FAILED


# -- what must hold for all -------------------------------------------------------------------------------------------

DTYPES = st.sampled_from(["float32", "float16", "bfloat16", "float8_e4m3fn"])
NAMES = st.sampled_from(
    ["unet", "transformer", "transformer_2", "text_encoder", "text_encoder_2", "vae", "image_encoder"]
)
CLASSES = st.sampled_from(["", "AutoencoderKL", "AutoencoderKLWan", "UNet2DConditionModel"])
COMPONENTS = st.builds(
    Component, NAMES, st.integers(0, 40_000_000_000), DTYPES, CLASSES, st.integers(0, 600_000_000),
    st.booleans(), st.booleans(),
)  # fmt: skip
NEEDS = st.builds(
    Needs,
    st.lists(COMPONENTS, max_size=6).map(tuple),
    st.integers(64 * 64, 4096 * 4096),
    st.sampled_from(["StableDiffusionPipeline", "FluxPipeline", "QwenImagePipeline", "Unheard"]),
    st.sampled_from([64, 256, 1024]),
)


@st.composite
def any_machine(draw: st.DrawFn) -> DeviceFacts:
    total, ram = draw(st.integers(0, 200 * GIB)), draw(st.integers(GIB, 1024 * GIB))
    return DeviceFacts(
        draw(st.sampled_from(list(Backend))), 0, draw(st.sampled_from(["RTX", "GTX 1650", "AMD", "Apple M2"])),
        total, draw(st.integers(0, total)), ram, draw(st.integers(0, ram)),
        draw(st.sampled_from([(0, 0), (5, 2), (6, 1), (7, 0), (7, 5), (8, 0), (8, 9), (12, 0)])),
        draw(st.booleans()), draw(st.booleans()), draw(st.sampled_from(["macOS 13.1", "macOS 15.0", "Linux 6.1"])),
    )  # fmt: skip


@given(NEEDS, any_machine())
def test_ladder_goes_down_and_suits_the_device(needs: Needs, facts: DeviceFacts) -> None:
    rungs = planning.ladder(needs, facts)
    assert rungs
    assert all(above.needed_bytes > below.needed_bytes for above, below in pairwise(rungs))
    for plan in rungs:
        assert {plan.dtype, plan.vae_dtype} <= planning.valid_dtypes(facts)
        assert plan.device == facts.torch_device
        if facts.backend in (Backend.MPS, Backend.CPU):
            assert plan.placement is Placement.WHOLE
            assert not plan.attention_slicing
        assert (plan.ram_bytes == 0) == (plan.placement is Placement.WHOLE or needs.parameters == 0)


@given(NEEDS, any_machine())
def test_plans_fit_or_are_refused(needs: Needs, facts: DeviceFacts) -> None:
    rungs, free = planning.ladder(needs, facts), planning.usable(facts)
    roomy = facts.ram_total - planning.RAM_RESERVE
    if any(plan.needed_bytes <= free and plan.ram_bytes <= roomy for plan in rungs):
        chosen = planning.plans(needs, facts)
        assert chosen
        assert all(plan.needed_bytes <= free for plan in chosen)
        assert set(chosen) <= set(rungs)
    elif all(plan.needed_bytes > free or plan.ram_bytes > facts.ram_total for plan in rungs):
        with pytest.raises(AtelierError) as caught:
            planning.plans(needs, facts)
        assert caught.value.code is ErrorCode.OUT_OF_MEMORY
        assert caught.value.info.facts["needed_gb"] > caught.value.info.facts["free_gb"]  # type: ignore[operator]


@given(NEEDS, any_machine(), st.integers(0, 8 * GIB))
def test_more_free_memory_never_makes_it_worse(needs: Needs, facts: DeviceFacts, more: int) -> None:
    richer = msgspec.structs.replace(
        facts, memory_total=facts.memory_total + more, memory_free=facts.memory_free + more,
        ram_total=facts.ram_total + more, ram_free=facts.ram_free + more,
    )  # fmt: skip
    order = list(Fit)
    assert order.index(planning.verdict(needs, richer).fit) <= order.index(planning.verdict(needs, facts).fit)
