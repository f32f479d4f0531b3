"""A made-up catalog for screenshots and tests: models of every kind, size, licence and verdict."""

from __future__ import annotations

from typing import Any

from models.catalog.entry import CatalogEntry, Licence, Role, Use
from models.machine import Component, Fit, Placement, Plan, Verdict

GIB = 2**30

APACHE = Licence("Apache-2.0", Use.COMMERCIAL, "https://www.apache.org/licenses/LICENSE-2.0")
MIT = Licence("MIT", Use.COMMERCIAL, "https://opensource.org/license/mit")
RAIL = Licence(
    "OpenRAIL++-M",
    Use.COMMERCIAL,
    "https://huggingface.co/stabilityai/stable-diffusion-xl-base-1.0/blob/main/LICENSE.md",
    "Some uses, such as deceiving people, are not allowed.",
)
STABILITY = Licence(
    "Stability Community",
    Use.CONDITIONS,
    "https://stability.ai/community-license-agreement",
    "Free up to a yearly revenue of one million US dollars.",
)
FLUX_DEV = Licence(
    "FLUX.1 [dev] Non-Commercial",
    Use.OUTPUTS,
    "https://huggingface.co/black-forest-labs/FLUX.1-dev/blob/main/LICENSE.md",
    "The pictures may be used commercially, the model itself may not.",
)
RESEARCH = Licence("CC-BY-NC-4.0", Use.RESEARCH, "https://creativecommons.org/licenses/by-nc/4.0/")
UNKNOWN = Licence("not stated", Use.UNKNOWN)

PROMPTS = (
    "a lighthouse on a cliff at dusk, warm light in the windows, film photograph",
    "paper city, morning light",
    "a fox reading a newspaper, watercolour",
)


def model(
    key: str, name: str, summary: str, gigabytes: float, licence: Licence, family: str, **more: Any
) -> CatalogEntry:
    """An entry for a text-to-image model of about ``gigabytes``, the parts' sizes made up from that."""
    repo = more.pop("repo", f"{more.pop('org', 'black-forest-labs')}/{name.replace(' ', '-')}")
    total = int(gigabytes * GIB)
    parts = (
        Component("transformer", int(total * 0.62 / 2), "bfloat16"),
        Component("text_encoder", int(total * 0.35 / 2), "bfloat16"),
        Component("vae", int(total * 0.03 / 2), "bfloat16", "AutoencoderKL"),
    )
    values: dict[str, Any] = {
        "role": Role.TEXT_TO_IMAGE,
        "pipeline": "FluxPipeline",
        "components": parts,
        "size": (1024, 1024),
        "defaults": {"steps": 8, "guidance_scale": 3.5, "scheduler": "euler"},
        "examples": PROMPTS,
        "released": "2026-05",
        "authors": "Black Forest Labs",
        "checked": "model card, 2026-11",
    }
    values.update(more)
    return CatalogEntry(
        id=key,
        name=name,
        repo=repo,
        summary=summary,
        family=family,
        licence=licence,
        allow=("*.json", "*.safetensors"),
        download_bytes=total,
        **values,
    )


LONG_NAME = "Stable-Diffusion-XL-Lightning-8-step-distilled-with-a-very-long-community-fine-tune-name-v2.1-final"
LONG_WORDS = (
    "A long description that its author could not bring himself to shorten: it makes portraits, landscapes, seamless "
    "textures, product photographs, isometric rooms, maps of lands that do not exist and covers for books that nobody "
    "has written yet, all of them with the same patient light. "
) * 2


def models() -> list[CatalogEntry]:
    t2i: dict[str, Any] = {}
    return [
        model(
            "flux2-klein-4b",
            "FLUX.2 klein 4B",
            "Quick, detailed pictures in four steps",
            7.8,
            APACHE,
            "flux2-klein-4b",
            fast=("hyper-klein",),
            also=(Role.EDIT,),
            tags=("fast", "photo"),
            **t2i,
        ),
        model(
            "flux2-klein-9b",
            "FLUX.2 klein 9B",
            "More detail and better text than the small one",
            17.9,
            FLUX_DEV,
            "flux2-klein-9b",
            gated=True,
            ungated="flux2-klein-4b",
        ),
        model(
            "flux2-dev",
            "FLUX.2 dev",
            "The large one: several references, long text, fine control",
            64,
            FLUX_DEV,
            "flux2",
            gated=True,
            ungated="flux2-klein-4b",
            unverified=("memory in 8 bit",),
        ),
        model(
            "flux1-schnell",
            "FLUX.1 schnell",
            "Four steps, free for every use",
            31.4,
            APACHE,
            "flux1",
            released="2024-08",
        ),
        model(
            "flux1-dev",
            "FLUX.1 dev",
            "The model most add-ons are made for",
            31.4,
            FLUX_DEV,
            "flux1",
            gated=True,
            ungated="flux1-schnell",
            released="2024-08",
        ),
        model(
            "z-image-turbo",
            "Z-Image Turbo",
            "Photographs and signs in two languages, eight steps",
            19.1,
            APACHE,
            "z-image",
            authors="Tongyi",
            org="Tongyi-MAI",
            tags=("photo", "text"),
        ),
        model(
            "qwen-image",
            "Qwen-Image",
            "Writes long text into pictures, in many scripts",
            53.7,
            APACHE,
            "qwen-image",
            authors="Qwen",
            org="Qwen",
            tags=("text",),
        ),
        model(
            "sdxl",
            "Stable Diffusion XL",
            "The workhorse: thousands of add-ons fit it",
            6.5,
            RAIL,
            "sdxl",
            authors="Stability AI",
            repo="stabilityai/stable-diffusion-xl-base-1.0",
            pipeline="StableDiffusionXLPipeline",
            defaults={"steps": 30, "guidance_scale": 6.0, "scheduler": "dpm++"},
            fast=("lightning-8", "lcm-sdxl"),
            released="2023-07",
        ),
        model(
            "sdxl-turbo",
            "SDXL Turbo",
            "One step, pictures as you type",
            6.5,
            STABILITY,
            "sdxl",
            authors="Stability AI",
            org="stabilityai",
            size=(512, 512),
            defaults={"steps": 1, "guidance_scale": 0.0},
        ),
        model(
            "lightning",
            LONG_NAME,
            LONG_WORDS,
            6.6,
            RAIL,
            "sdxl",
            authors="A group of people with a long name indeed",
            org="a-very-long-organisation-name",
        ),
        model(
            "sd15",
            "Stable Diffusion 1.5",
            "Small and old; runs nearly everywhere",
            2.6,
            RAIL,
            "sd15",
            authors="Runway",
            repo="stable-diffusion-v1-5/stable-diffusion-v1-5",
            size=(512, 512),
            released="2022-10",
        ),
        model(
            "sd35-medium",
            "Stable Diffusion 3.5 medium",
            "Good at following long prompts",
            15.3,
            STABILITY,
            "sd35-medium",
            gated=True,
            ungated="sana-1600m",
            authors="Stability AI",
            org="stabilityai",
        ),
        model(
            "sd35-large",
            "Stable Diffusion 3.5 large",
            "Styles of every kind, for larger cards",
            26.9,
            STABILITY,
            "sd35-large",
            gated=True,
            authors="Stability AI",
            org="stabilityai",
        ),
        model(
            "sana-1600m",
            "Sana 1.6B",
            "Very quick large pictures from a small model",
            9.6,
            RESEARCH,
            "sana",
            authors="NVIDIA",
            org="Efficient-Large-Model",
        ),
        model(
            "sana-600m",
            "Sana 0.6B",
            "The smallest that follows a sentence well",
            5.4,
            RESEARCH,
            "sana",
            authors="NVIDIA",
            org="Efficient-Large-Model",
            size=(512, 512),
        ),
        model(
            "pixart-sigma",
            "PixArt Sigma",
            "Small, careful, up to 4K",
            5.9,
            RAIL,
            "pixart",
            authors="PixArt",
            org="PixArt-alpha",
        ),
        model(
            "hidream",
            "HiDream I1 fast",
            "Vivid pictures from a very large model",
            47.2,
            MIT,
            "hidream",
            authors="HiDream",
            org="HiDream-ai",
        ),
        model(
            "chroma",
            "Chroma 1 HD",
            "A free relative of FLUX.1 without its filters",
            27.4,
            APACHE,
            "chroma",
            authors="lodestones",
            org="lodestones",
        ),
        model(
            "lumina2",
            "Lumina 2",
            "A small model that draws by description",
            10.1,
            APACHE,
            "lumina2",
            authors="Alpha-VLLM",
            org="Alpha-VLLM",
        ),
        model(
            "kolors",
            "Kolors",
            "Portraits, and prompts in Chinese",
            16.8,
            UNKNOWN,
            "kolors",
            authors="Kwai",
            org="Kwai-Kolors",
            unverified=("licence", "commercial use"),
        ),
        model(
            "auraflow", "AuraFlow 0.3", "Open from its first line", 16.2, APACHE, "auraflow", authors="fal", org="fal"
        ),
    ]


def edits() -> list[CatalogEntry]:
    edit = {"role": Role.EDIT, "examples": ("make it winter", "remove the lamp", "as a pencil drawing")}
    return [
        model(
            "kontext",
            "FLUX.1 Kontext dev",
            "Change a picture by saying what should change",
            31.4,
            FLUX_DEV,
            "flux1",
            gated=True,
            ungated="qwen-edit",
            **edit,
        ),
        model(
            "qwen-edit",
            "Qwen-Image-Edit 2511",
            "Edits by instruction, text in pictures too",
            53.8,
            APACHE,
            "qwen-image",
            authors="Qwen",
            org="Qwen",
            **edit,
        ),
        model(
            "sdxl-inpaint",
            "SDXL Inpainting",
            "Fills what you paint over",
            6.6,
            RAIL,
            "sdxl",
            role=Role.INPAINT,
            authors="Diffusers",
            org="diffusers",
        ),
        model(
            "sd15-inpaint",
            "Stable Diffusion 1.5 Inpainting",
            "Fills what you paint over, on small cards",
            2.7,
            RAIL,
            "sd15",
            role=Role.INPAINT,
            authors="Runway",
            org="stable-diffusion-v1-5",
            size=(512, 512),
        ),
    ]


def many(count: int) -> list[CatalogEntry]:
    """``count`` entries, for the tests of a very large catalog."""
    return [
        model(
            f"m{n}",
            f"Model {n} of the {'quick' if n % 3 else 'slow'} kind",
            f"Number {n}",
            2 + n % 30,
            APACHE,
            "sdxl",
            org="x",
        )
        for n in range(count)
    ]


def verdict_for(entry: CatalogEntry, memory: int = 12 * GIB) -> Verdict | None:
    """What a machine with ``memory`` bytes would say, roughly."""
    if not entry.is_model:
        return None
    needed = int(entry.download_bytes * 1.12)
    usable = int(memory * 0.92)
    if needed <= usable:
        return Verdict(Fit.FAST, needed, usable, True, Plan("cuda:0", "bfloat16", needed_bytes=needed))
    if needed * 0.55 <= usable:
        part = int(needed * 0.55)
        return Verdict(
            Fit.OFFLOAD,
            part,
            usable,
            True,
            Plan("cuda:0", "bfloat16", placement=Placement.MODEL_OFFLOAD, needed_bytes=part, ram_bytes=needed - part),
        )
    return Verdict(Fit.TOO_LARGE, int(needed * 0.55), usable, False)
