"""Rasterise the pictograms and list every training picture with its captions.

`python -m models.pocket.data --work DIR` reads the unpacked npm package @iconify-json/fluent-emoji-flat (MIT) from
DIR/npm and writes DIR/icons.npy (the named concepts), DIR/others.npy (more icons, for the autoencoder only).
"""

from __future__ import annotations

import argparse
import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from models.pocket.colours import GROUNDS, HUES, Bytes, over, recolour

SIZE = 96
CONCEPTS = Path(__file__).with_name("concepts.csv")
PACKAGE = "npm/iconify-json-fluent-emoji-flat-1.2.6/package"
HELD_OUT: frozenset[tuple[str, str]] = frozenset(
    {
        ("blue", "cat"),
        ("green", "dog"),
        ("purple", "apple"),
        ("blue", "tomato"),
        ("pink", "frog"),
        ("red", "banana"),
        ("blue", "strawberry"),
        ("purple", "car"),
        ("red", "tree"),
        ("green", "smiling face"),
        ("orange", "balloon"),
        ("purple", "fish"),
        ("green", "crown"),
    }
)
"""(colour, concept) pairs that no training caption holds, under the concept's name or any of its aliases."""


@dataclass(frozen=True)
class Concept:
    """One thing the model knows: its first name, its emoji, its natural colour (or '') and its other names."""

    name: str
    emoji: str
    colour: str
    aliases: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Every name, the first one first."""
        return (self.name, *self.aliases)


@dataclass(frozen=True)
class Variant:
    """One training picture: which concept, in which colour (or ''), on which ground (or '' for white)."""

    concept: int
    colour: str
    ground: str
    weight: float


def read_concepts() -> list[Concept]:
    """The curated list in concepts.csv."""
    with CONCEPTS.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    return [Concept(r["name"], r["emoji"], r["colour"], tuple(a for a in r["aliases"].split(";") if a)) for r in rows]


class IconSet:
    """An iconify icon package: pictograms as SVG bodies, found by emoji."""

    def __init__(self, folder: Path) -> None:
        self.icons: dict[str, Any] = json.loads((folder / "icons.json").read_text(encoding="utf-8"))
        self.chars: dict[str, str] = json.loads((folder / "chars.json").read_text(encoding="utf-8"))

    def slug(self, emoji: str) -> str:
        """The icon's name for an emoji, following aliases."""
        code = "-".join(f"{ord(c):x}" for c in emoji)
        name = self.chars.get(code) or self.chars[code.replace("-fe0f", "")]
        while name in self.icons.get("aliases", {}):
            name = self.icons["aliases"][name]["parent"]
        return name

    def draw(self, slug: str, size: int = SIZE) -> Bytes:
        """Rasterise one icon to RGBA."""
        import resvg_py

        icon = self.icons["icons"][slug]
        width, height = icon.get("width", self.icons.get("width", 32)), icon.get("height", self.icons.get("height", 32))
        svg = (
            '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'viewBox="0 0 {width} {height}" width="{size}" height="{size}">{icon["body"]}</svg>'
        )
        png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=size, height=size))
        return np.array(Image.open(io.BytesIO(png)).convert("RGBA").resize((size, size), Image.Resampling.LANCZOS))


def list_variants(concepts: list[Concept], icons: Bytes, seed: int = 0) -> list[Variant]:
    """All training pictures: the plain ones, recoloured ones, and some of both on coloured grounds."""
    rng = np.random.default_rng(seed)
    grounds = list(GROUNDS)
    found: list[Variant] = []
    for i, concept in enumerate(concepts):
        found.append(Variant(i, "", "", 1.0))
        found += [Variant(i, "", g, 0.1) for g in rng.choice(grounds, 3, replace=False)]
        if not concept.colour or recolour(icons[i], "red") is None:
            continue
        usable = [c for c in HUES if c != concept.colour and (c, concept.name) not in HELD_OUT]
        chosen = [str(c) for c in rng.permutation(usable)[:4]]
        found += [Variant(i, c, "", 0.12) for c in chosen]
        found.append(Variant(i, chosen[0], str(rng.choice(grounds)), 0.05))
    return found


def picture(variant: Variant, icons: Bytes) -> Bytes:
    """The RGB picture of a variant."""
    icon = icons[variant.concept]
    if variant.colour:
        changed = recolour(icon, variant.colour)
        assert changed is not None, "list_variants only lists recolourable icons"
        icon = changed
    return over(icon, GROUNDS[variant.ground]) if variant.ground else over(icon)


def caption(variant: Variant, concept: Concept, rng: np.random.Generator) -> str:
    """One of the many ways to ask for this picture."""
    name = concept.name if rng.random() < 0.7 or not concept.aliases else str(rng.choice(concept.aliases))
    colour = variant.colour
    if not colour and concept.colour and rng.random() < 0.3:
        colour = concept.colour
    thing = f"{colour} {name}" if colour else name
    article = "an" if thing[0] in "aeiou" else "a"
    shapes = (thing, thing, thing, f"{article} {thing}", f"{thing} emoji", f"picture of {article} {thing}")
    text = str(rng.choice(shapes))
    if variant.ground:
        return f"{text} on a {variant.ground} background"
    return f"{text} on a white background" if rng.random() < 0.05 else text


def main() -> None:
    """Draw everything once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    work: Path = parser.parse_args().work
    icons = IconSet(work / PACKAGE)
    concepts = read_concepts()
    slugs = [icons.slug(c.emoji) for c in concepts]
    np.save(work / "icons.npy", np.stack([icons.draw(s) for s in slugs]))
    plain = [s for s in sorted(icons.icons["icons"]) if s not in set(slugs) and "skin" not in s and "-dark" not in s]
    picked = [str(s) for s in np.random.default_rng(0).permutation(plain)[:500]]
    np.save(work / "others.npy", np.stack([icons.draw(s) for s in picked]))
    variants = list_variants(concepts, np.load(work / "icons.npy"))
    print(f"{len(concepts)} concepts, {len(variants)} training pictures, {len(picked)} other icons")


if __name__ == "__main__":
    main()
