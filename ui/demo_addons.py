"""Add-ons of the made-up catalog, and the whole of it."""

from __future__ import annotations

from typing import Any

from models.catalog.entry import CatalogEntry, Role
from ui.demo_catalog import APACHE, FLUX_DEV, MIT, RAIL, edits, models


def addon(
    key: str, name: str, role: Role, summary: str, megabytes: float, fits: tuple[str, ...], **more: Any
) -> CatalogEntry:
    licence = more.pop("licence", APACHE)
    return CatalogEntry(
        id=key,
        name=name,
        repo=more.pop("repo", f"community/{key}"),
        summary=summary,
        role=role,
        family=fits[0] if fits else "",
        licence=licence,
        allow=("*.safetensors",),
        checked="model card, 2026-11",
        download_bytes=int(megabytes * 2**20),
        fits=fits,
        authors=more.pop("authors", "Community"),
        **more,
    )


def addons() -> list[CatalogEntry]:
    return [
        addon(
            "lcm-sdxl",
            "LCM for SDXL",
            Role.LORA,
            "Pictures in four steps instead of thirty",
            394,
            ("sdxl",),
            licence=RAIL,
        ),
        addon(
            "lightning-8",
            "Lightning, 8 steps",
            Role.LORA,
            "Eight steps with the detail of thirty",
            394,
            ("sdxl",),
            licence=RAIL,
            authors="ByteDance",
        ),
        addon("hyper-klein", "Hyper for klein", Role.LORA, "Two steps on FLUX.2 klein", 610, ("flux2-klein-4b",)),
        addon(
            "pixel-art", "Pixel art", Role.LORA, "Clean pixels at small sizes", 170, ("sdxl",), trigger=("pixel art",)
        ),
        addon(
            "canny-sdxl",
            "Edges for SDXL",
            Role.CONTROLNET,
            "Keeps the outlines of a picture",
            2500,
            ("sdxl",),
            licence=RAIL,
        ),
        addon(
            "depth-sdxl",
            "Depth for SDXL",
            Role.CONTROLNET,
            "Keeps near and far of a picture",
            2500,
            ("sdxl",),
            licence=RAIL,
            requires=("depth-small",),
        ),
        addon(
            "pose-sd15",
            "Pose for SD 1.5",
            Role.CONTROLNET,
            "Puts people as you draw them",
            1450,
            ("sd15",),
            licence=RAIL,
        ),
        addon(
            "union-flux",
            "Union for FLUX.1",
            Role.CONTROLNET,
            "Edges, depth and pose in one",
            6600,
            ("flux1",),
            licence=FLUX_DEV,
        ),
        addon(
            "ip-sdxl", "Picture prompt for SDXL", Role.IP_ADAPTER, "Use a picture as if it were words", 3400, ("sdxl",)
        ),
        addon(
            "vae-fix",
            "SDXL VAE in half precision",
            Role.VAE,
            "No black pictures on older cards",
            335,
            ("sdxl",),
            licence=MIT,
        ),
        addon(
            "taesdxl",
            "Tiny preview for SDXL",
            Role.PREVIEW,
            "Sharper previews while a picture forms",
            9.8,
            ("sdxl",),
            licence=MIT,
        ),
        addon("realesrgan", "Real-ESRGAN 4x", Role.UPSCALER, "Four times larger, for photographs", 67, (), scale=4),
        addon("swin2sr", "Swin2SR 2x", Role.UPSCALER, "Twice as large, keeps fine lines", 48, (), scale=2),
        addon(
            "easyneg",
            "Fewer mistakes",
            Role.EMBEDDING,
            "One word for the negative prompt",
            0.03,
            ("sd15",),
            trigger=("easyneg",),
        ),
        addon("depth-small", "Depth Anything small", Role.DEPTH, "Reads near and far from a picture", 99, ()),
        addon("birefnet", "BiRefNet", Role.BACKGROUND, "Cuts things out, hair and all", 444, (), licence=MIT),
        addon("florence", "Florence-2 base", Role.CAPTION, "Says what is in a picture", 463, (), licence=MIT),
    ]


def catalog() -> list[CatalogEntry]:
    """All entries, models first."""
    return [*models(), *edits(), *addons()]
