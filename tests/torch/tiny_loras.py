"""LoRAs for tests: trained or made at random on a real UNet, written in the formats people have them in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model_state_dict
from safetensors.torch import save_file

from models.card import AddonRef

TARGETS = ["to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2"]
RANK, ALPHA = 4, 8.0


def random_lora(unet: Any, seed: int = 0, size: float = 0.3) -> dict[str, torch.Tensor]:
    """PEFT's own tensors ("path.lora_A.weight") of a LoRA that changes pictures, for all of ``TARGETS``."""
    draw = torch.Generator().manual_seed(seed)
    made = {}
    for path, module in unet.named_modules():
        if isinstance(module, torch.nn.Linear) and any(path.endswith(name) for name in TARGETS):
            made[f"{path}.lora_A.weight"] = torch.randn(RANK, module.in_features, generator=draw) * size
            made[f"{path}.lora_B.weight"] = torch.randn(module.out_features, RANK, generator=draw) * size
    return made


def trained_lora(pipe: Any, colour: tuple[float, float, float], steps: int = 40) -> dict[str, torch.Tensor]:
    """A LoRA trained so that everything turns to one colour (red, green, blue from -1 to 1), by PEFT on ``pipe``."""
    torch.manual_seed(0)
    unet, scheduler = pipe.unet, pipe.scheduler
    unet.add_adapter(LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=TARGETS, init_lora_weights="gaussian"))
    weights = [p for p in unet.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(weights, lr=2e-2)
    side = unet.config.sample_size * pipe.vae_scale_factor
    picture = torch.tensor(colour).reshape(1, 3, 1, 1).expand(1, 3, side, side)
    with torch.no_grad():
        encoded = pipe.vae.encode(picture.to(pipe.vae.dtype))
        latents = encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.mean
        latents = latents.float() * pipe.vae.config.scaling_factor
        words, _ = pipe.encode_prompt(["red apple", "house", "cat", ""], "cpu", 1, False)
    latents = latents.expand(4, -1, -1, -1)
    for _ in range(steps):
        noise, moments = torch.randn_like(latents), torch.randint(100, 1000, (4,))
        noised = scheduler.add_noise(latents, noise, moments)
        level = scheduler.alphas_cumprod[moments].reshape(-1, 1, 1, 1)
        wanted = noise
        if scheduler.config.prediction_type == "v_prediction":
            wanted = level.sqrt() * noise - (1 - level).sqrt() * latents
        made = unet(noised, moments, encoder_hidden_states=words.float()).sample
        loss = (made - wanted).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    found = {name: tensor.detach().clone() for name, tensor in get_peft_model_state_dict(unet).items()}
    unet.delete_adapters("default")
    return found


def as_diffusers(lora: dict[str, torch.Tensor], path: Path, alpha: float = ALPHA, component: str = "unet") -> Path:
    """As ``save_lora_weights`` of a pipeline writes it, alpha in the header."""
    words = json.dumps({f"{component}.r": RANK, f"{component}.lora_alpha": alpha})
    save_file(
        {f"{component}.{name}": t.contiguous() for name, t in lora.items()}, path, {"lora_adapter_metadata": words}
    )
    return path


def as_peft(lora: dict[str, torch.Tensor], folder: Path, alpha: float = ALPHA) -> Path:
    """As ``PeftModel.save_pretrained`` writes it: a folder with the tensors and their configuration."""
    folder.mkdir(parents=True)
    save_file(
        {f"base_model.model.{name}": t.contiguous() for name, t in lora.items()}, folder / "adapter_model.safetensors"
    )
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": RANK, "lora_alpha": alpha}))
    return folder


def as_kohya(lora: dict[str, torch.Tensor], path: Path, alpha: float = ALPHA, start: str = "lora_unet_") -> Path:
    """As kohya's scripts write it: underscores, and alpha beside each layer."""
    made: dict[str, torch.Tensor] = {}
    for name, tensor in lora.items():
        layer, _, side = name.removesuffix(".weight").rpartition(".")
        flat = start + layer.replace(".", "_")
        made[f"{flat}.{'lora_down' if side == 'lora_A' else 'lora_up'}.weight"] = tensor.contiguous()
        made[f"{flat}.alpha"] = torch.tensor(alpha)
    save_file(made, path)
    return path


def as_lokr(unet: Any, path: Path, seed: int = 0, size: float = 0.2) -> tuple[Path, dict[str, torch.Tensor]]:
    """A random LoKr as LyCORIS writes it; returns the file and each layer's whole difference by its path."""
    draw = torch.Generator().manual_seed(seed)
    made: dict[str, torch.Tensor] = {}
    whole = {}
    for layer, module in unet.named_modules():
        if not isinstance(module, torch.nn.Linear) or not any(layer.endswith(name) for name in TARGETS):
            continue
        one = torch.randn(4, 4, generator=draw) * size
        a = torch.randn(module.out_features // 4, 2, generator=draw) * size
        b = torch.randn(2, module.in_features // 4, generator=draw) * size
        flat = "lycoris_" + layer.replace(".", "_")
        made |= {f"{flat}.lokr_w1": one, f"{flat}.lokr_w2_a": a, f"{flat}.lokr_w2_b": b}
        made[f"{flat}.alpha"] = torch.tensor(4.0)
        whole[layer] = torch.kron(one, a @ b) * (4.0 / 2)
    save_file(made, path)
    return path, whole


def ref(path: Path, family: str = "", pickled: bool = False, kind: str = "lora") -> AddonRef:
    return AddonRef(path.name, path.stem, kind, str(path), family, pickled=pickled)
