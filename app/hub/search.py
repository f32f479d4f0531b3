"""Finding repositories on the hub by words and by what they are for."""

from __future__ import annotations

from typing import Any

from app.hub.api import Api, Info
from app.hub_protocol import Found, Hit, Search

_FIELDS = ("downloads", "likes", "gated", "pipeline_tag", "library_name", "lastModified", "tags")
_BY_ROLE: dict[str, dict[str, Any]] = {
    "": {"filter": ["diffusers"]},
    "text-to-image": {"filter": ["diffusers"], "pipeline_tag": "text-to-image"},
    "edit": {"filter": ["diffusers"], "pipeline_tag": "image-to-image"},
    "inpaint": {"filter": ["diffusers", "inpainting"]},
    "controlnet": {"filter": ["controlnet"]},
    "ip-adapter": {"filter": ["ip-adapter"]},
    "lora": {"filter": ["lora"], "pipeline_tag": "text-to-image"},
    "vae": {"filter": ["vae"]},
    "upscaler": {"filter": ["super-resolution"]},
    "embedding": {"filter": ["textual_inversion"]},
    "depth": {"pipeline_tag": "depth-estimation"},
    "background-removal": {"filter": ["background-removal"]},
    "caption": {"pipeline_tag": "image-to-text"},
    "segmentation": {"pipeline_tag": "image-segmentation"},
}
MAX_HITS = 100


def search(api: Api, asked: Search) -> Found:
    """Repositories whose name holds the words, those most fetched first.

    Raises:
        AtelierError: the network's or the hub's trouble.
    """
    params = {
        **_BY_ROLE.get(asked.role, {}),
        "search": asked.query.strip()[:200],
        "sort": "downloads",
        "direction": "-1",
        "limit": min(max(asked.limit, 1), MAX_HITS),
        "expand": list(_FIELDS),
    }
    return Found(asked.request, tuple(_hit(info) for info in api.search(params)[:MAX_HITS]))


def _hit(info: Info) -> Hit:
    licence = next((tag.removeprefix("license:") for tag in info.tags if tag.startswith("license:")), "")
    return Hit(
        repo=info.id,
        pipeline_tag=info.pipeline_tag or "",
        library=info.library_name or "",
        licence=licence,
        gated=bool(info.gated),
        downloads=info.downloads,
        likes=info.likes,
        modified=info.last_modified or "",
    )
