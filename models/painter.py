"""The fake painter's light half: its card and the declaration of its inputs. Offered only when ATELIER_FAKE=1.

``models.runners.fake`` paints. It is also the shortest example of a box declared as a Python signature.
"""

from __future__ import annotations

from typing import Annotated

from models.box import BoxSchema, declare
from models.card import ModelCard, ModelRef
from models.inputs import ImageFile, Input, Seed, Size

CARD = ModelCard(
    ModelRef("fake", "Fake painter", "fake", revision="1"),
    summary="Paints hills under a sun from nothing but the seed. For tests.",
    licence="Apache-2.0",
    examples=("hills at dusk", "a green valley"),
)


def run(
    prompt: Annotated[str, Input(description="What the picture should show.", min_length=1, widget="multiline")],
    size: Annotated[Size, Input(ge=64, le=2048, multiple_of=8)] = Size(256, 256),  # noqa: B008 - a frozen value
    steps: Annotated[int, Input(description="More steps take longer.", ge=1, le=200)] = 8,
    seed: Seed | None = None,
    image: Annotated[ImageFile | None, Input(description="A picture to start from.", accept="image/*")] = None,
    step_seconds: Annotated[float, Input(ge=0, le=10, advanced=True)] = 0.0,
) -> None:
    """Only the signature is used."""


SCHEMA: BoxSchema = declare(run)
