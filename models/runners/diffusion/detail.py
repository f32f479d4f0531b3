"""The detail pass: things a detector finds are made anew at the model's full resolution and put back in their place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image

from models import canvas
from models.inputs import Size
from models.runners.diffusion import easel

if TYPE_CHECKING:
    from models.runners.diffusion.passes import Passes


def refined(passes: Passes, image: Image.Image) -> Image.Image:
    """``image`` with what was found made finer; as it is when nothing was."""
    inputs = passes.inputs
    found = _found(passes, image)
    passes.facts["details"] = [
        {"label": each.label, "score": round(each.score, 3), "box": list(each.box)} for each in found
    ]
    if not found:
        passes.report.notice("nothing_found", what=str(inputs.get("detail_what") or "it"))
        return image
    strength = float(inputs.get("detail_strength") or 0.4)
    taken = max(1, round(int(inputs.get("steps") or 1) * strength))
    passes.expect(taken * len(found))
    for number, each in enumerate(found, 1):
        image = _made_anew(passes, image, each.box, strength, taken, number)
    return image


def _found(passes: Passes, image: Image.Image) -> list:  # type: ignore[type-arg]
    from models.runners import detect

    addon = passes.addons[str(passes.inputs["detail_model"])]
    what = tuple(word.strip() for word in str(passes.inputs.get("detail_what") or "").split(",") if word.strip())
    with passes.aside() as device:
        found = detect.find(addon, image.convert("RGB"), what, device, passes.report)
    found.sort(key=lambda each: -each.area)
    return found[: int(passes.inputs.get("detail_most") or 4)]


def _made_anew(
    passes: Passes, image: Image.Image, box: canvas.Box, strength: float, taken: int, number: int
) -> Image.Image:
    """One thing: the window around it at the model's own size, stitched back with a soft edge."""
    native = passes.space.native
    change = Image.new("L", image.size, 0)
    change.paste(255, box)
    side = max(box[2] - box[0], box[3] - box[1])
    given = {
        **passes.inputs, **dict.fromkeys(canvas.EXTENDS, 0), "mask": "found", "only_masked": True,
        "mask_padding": max(16, side // 3), "mask_feather": max(4, side // 8), "width": native.width,
        "height": native.height,
    }  # fmt: skip
    frame = canvas.frame(given, Size(*image.size), passes.space, box)
    placed = easel.laid_out(frame, image, change, given, passes.seed, {}, passes.space)
    prompt = str(passes.inputs.get("detail_prompt") or "") or passes.inputs.get("prompt")
    made, _ = passes.one(
        taken, placed, None, False, (passes.seed + number) % 2**32, strength=strength, prompt=prompt,
        width=frame.work.width, height=frame.work.height,
    )  # fmt: skip
    return made
