"""What is chosen of a repository is enough to run it: safety checkers and their like are never missed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from models.choose import choose
from tests.torch.tiny import build
from tests.torch.tiny_runs import Loaded


def test_a_model_runs_from_the_chosen_files(tmp_path: Path) -> None:
    whole = build("sd", tmp_path / "whole")
    index = json.loads((whole / "model_index.json").read_bytes())
    index |= {
        "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"], "requires_safety_checker": True,
        "feature_extractor": ["transformers", "CLIPImageProcessor"],
    }  # fmt: skip
    (whole / "model_index.json").write_text(json.dumps(index))
    for extra in ("safety_checker/model.safetensors", "feature_extractor/preprocessor_config.json", "unet/model.onnx"):
        (whole / extra).parent.mkdir(exist_ok=True)
        (whole / extra).write_bytes(b"never read")
    sizes = {path.relative_to(whole).as_posix(): path.stat().st_size for path in whole.rglob("*") if path.is_file()}
    choice = choose("model", sizes, index)
    assert choice.problem is None
    chosen = tmp_path / "chosen"
    for name in choice.files:
        (chosen / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(whole / name, chosen / name)
    assert not (chosen / "safety_checker").exists()
    (tmp_path / "cache").mkdir()
    picture = Loaded(chosen, tmp_path / "cache").run(tmp_path / "kept", steps=2)
    assert picture.image.size == (64, 64)
