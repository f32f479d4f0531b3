"""Put the finished pipeline into the app's assets.

`python -m models.pocket.export --work DIR [--to assets/pocket]` copies weights and configuration (float16 safetensors,
no pickles), the licence of the pictograms, the sample grid and `atelier.json`, and refuses a folder over 25 MB.
The model card README.md is written by hand and left alone.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

from models.pocket.data import HELD_OUT, SIZE, read_concepts

LIMIT = 25_000_000
PARTS = ("scheduler", "text_encoder", "tokenizer", "unet", "vae")
EXAMPLES = (
    "red apple",
    "cat",
    "smiling face",
    "heart",
    "house on a yellow background",
    "blue fish",
    "rocket",
    "angry face",
)


def settings(steps: int, guidance: float) -> dict[str, object]:
    """What the app offers for this model: defaults, examples, every name it was taught."""
    return {
        "name": "Pocket",
        "summary": "Pictograms of everyday things, in seconds on any processor. Built in.",
        "licence": "Apache-2.0",
        "recommended": {"steps": steps, "guidance_scale": guidance, "width": SIZE, "height": SIZE},
        "examples": list(EXAMPLES),
        "names": [c.name for c in read_concepts()],
        "aliases": {c.name: list(c.aliases) for c in read_concepts()},
        "held_out": [" ".join(pair) for pair in sorted(HELD_OUT)],
    }


def copy_pipeline(source: Path, target: Path) -> None:
    """Replace the old parts by the new ones."""
    for part in PARTS:
        shutil.rmtree(target / part, ignore_errors=True)
        shutil.copytree(source / part, target / part)
    shutil.copy(source / "model_index.json", target / "model_index.json")


def tidy_configs(target: Path) -> None:
    """Drop the absolute folder names that diffusers leaves in its configuration files."""
    for path in target.rglob("*.json"):
        if path.name not in ("config.json", "scheduler_config.json", "model_index.json", "tokenizer_config.json"):
            continue
        content = json.loads(path.read_text(encoding="utf-8"))
        for key in ("_name_or_path", "name_or_path"):
            content.pop(key, None)
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def weight_of(folder: Path) -> int:
    """Bytes of all files."""
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def main() -> None:
    """Copy, check, say how big it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--to", type=Path, default=Path("assets/pocket"))
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--guidance", type=float, default=3.0)
    args = parser.parse_args()
    target: Path = args.to
    target.mkdir(parents=True, exist_ok=True)
    copy_pipeline(args.work / "pipe", target)
    tidy_configs(target)
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(args.work / "tokenizer" / name, target / "tokenizer" / name)
    shutil.copy(args.work / "grid.png", target / "samples.png")
    if (args.work / "metrics.json").exists():
        shutil.copy(args.work / "metrics.json", target / "metrics.json")
    content = json.dumps(settings(args.steps, args.guidance), indent=2)
    (target / "atelier.json").write_text(content + "\n", encoding="utf-8")
    for path in target.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    size = weight_of(target)
    print(f"{size / 1e6:.1f} MB in {target}")
    if size > LIMIT:
        raise SystemExit(f"over the limit of {LIMIT / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
