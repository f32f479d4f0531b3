"""Train the denoiser and the text encoder together on precomputed latents.

`python -m models.pocket.train --work DIR` needs DIR/icons.npy and DIR/vae, resumes from DIR/train.pt and leaves a
pipeline in DIR/pipe. Sources: v-prediction (Salimans & Ho 2022, arXiv:2202.00512), classifier-free guidance by empty
captions (Ho & Salimans 2022, arXiv:2207.12598), text pooled into the time embedding as in DeepFloyd IF.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderTiny, DPMSolverMultistepScheduler, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from transformers import CLIPTextModel, CLIPTokenizer

from models.pocket.data import SIZE, Concept, Variant, caption, list_variants, picture, read_concepts
from models.pocket.text import WIDTH, build_encoder, build_tokenizer, token_ids
from models.pocket.training import (
    Limits,
    MasterOptimizer,
    as_tensor,
    carry_vocabulary,
    rate_at,
    save_atomic,
    unpin_threads,
)

NO_CAPTION = 0.1


def build_unet(channels: tuple[int, ...] = (64, 128, 192)) -> UNet2DConditionModel:
    """Three levels; the words reach every block through the time embedding and the middle ones by attention too."""
    return UNet2DConditionModel(
        sample_size=SIZE // 8,
        in_channels=4,
        out_channels=4,
        block_out_channels=channels,
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=4,
        norm_num_groups=16,
        resnet_time_scale_shift="scale_shift",
        time_embedding_dim=256,
        addition_embed_type="text",
        addition_embed_type_num_heads=4,
    )


def build_scheduler() -> DPMSolverMultistepScheduler:
    """DPM-Solver++ (Lu et al. 2022, arXiv:2211.01095) over the linear noise schedule of DDPM."""
    return DPMSolverMultistepScheduler(
        beta_start=1e-4,
        beta_end=0.02,
        beta_schedule="linear",
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        algorithm_type="dpmsolver++",
        solver_order=2,
        steps_offset=1,
    )


class Examples:
    """Latents of every training picture, drawn by weight, with a fresh caption each time."""

    def __init__(self, work: Path, vae: AutoencoderTiny, tokenizer: CLIPTokenizer, seed: int, learned: int) -> None:
        icons = np.load(work / "icons.npy")
        self.concepts: list[Concept] = read_concepts()
        self.variants: list[Variant] = list_variants(self.concepts, icons)
        pictures = np.stack([picture(v, icons) for v in self.variants])
        with torch.no_grad():
            self.latents = torch.cat([vae.encode(as_tensor(part)).latents for part in np.array_split(pictures, 20)])
        weights = np.array([v.weight * (0.5 if v.concept < learned else 1.0) for v in self.variants])
        self.weights = weights / weights.sum()
        self.tokenizer, self.rng = tokenizer, np.random.default_rng(seed)

    def words(self, index: int) -> str:
        """A caption, now and then none at all."""
        variant = self.variants[index]
        return "" if self.rng.random() < NO_CAPTION else caption(variant, self.concepts[variant.concept], self.rng)

    def batch(self, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Latents and token numbers."""
        chosen = self.rng.choice(len(self.variants), size, p=self.weights)
        return self.latents[chosen], token_ids(self.tokenizer, [self.words(int(i)) for i in chosen])


class Denoiser(torch.nn.Module):
    """Text encoder and U-Net as one module, so that one optimiser and one compilation serve both."""

    def __init__(self, text: CLIPTextModel, unet: UNet2DConditionModel) -> None:
        super().__init__()
        self.text, self.unet = text, unet

    def forward(self, noisy: torch.Tensor, times: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """The predicted velocity."""
        out: torch.Tensor = self.unet(noisy, times, self.text(ids).last_hidden_state, return_dict=False)[0]
        return out


def velocity_loss(model: Any, kept: torch.Tensor, latents: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """Squared error of the velocity at random times."""
    times = torch.randint(0, len(kept), (len(latents),))
    noise = torch.randn_like(latents)
    signal, rest = kept[times].sqrt().view(-1, 1, 1, 1), (1 - kept[times]).sqrt().view(-1, 1, 1, 1)
    noisy = (signal * latents + rest * noise).bfloat16().to(memory_format=torch.channels_last)
    guess = model(noisy, times, ids).float()
    loss: torch.Tensor = (guess - (signal * noise - rest * latents)).pow(2).mean()
    return loss


def save_pipeline(model: Denoiser, vae: AutoencoderTiny, tokenizer: CLIPTokenizer, folder: Path) -> None:
    """Write a standard StableDiffusionPipeline in float16."""
    model.unet.set_default_attn_processor()
    pipe = StableDiffusionPipeline(
        vae=vae,
        text_encoder=model.text.eval(),
        tokenizer=tokenizer,
        unet=model.unet.to(memory_format=torch.contiguous_format),
        scheduler=build_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.to(torch.float16).save_pretrained(folder)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--tail", type=float, default=0.2, help="share of the run over which the rate falls to nothing")
    parser.add_argument("--save-every", type=int, default=200)
    parser.add_argument("--learned", type=int, default=0, help="the first so many concepts are drawn half as often")
    parser.add_argument("--export-only", action="store_true", help="write the pipeline of the last checkpoint")
    return parser.parse_args()


def main() -> None:
    """Train, resume, export."""
    args = parse()
    torch.manual_seed(0)
    work: Path = args.work
    vae = AutoencoderTiny.from_pretrained(work / "vae").eval()
    tokenizer = build_tokenizer(read_concepts(), work / "tokenizer")
    unet = build_unet()
    unet.set_attn_processor(AttnProcessor())
    model = Denoiser(build_encoder(tokenizer), unet).bfloat16()
    model.unet.to(memory_format=torch.channels_last)
    opt = MasterOptimizer(model.parameters(), ema=0.999)
    if (work / "train.pt").exists():
        resume(model, opt, tokenizer, torch.load(work / "train.pt"))
    if not args.export_only:
        torch.manual_seed(opt.steps)
        train(args, model, opt, Examples(work, vae, tokenizer, opt.steps, args.learned))
    opt.use_mean()
    save_pipeline(model.float(), vae, tokenizer, work / "pipe")


def resume(model: Denoiser, opt: MasterOptimizer, tokenizer: CLIPTokenizer, state: dict[str, Any]) -> None:
    """Continue from a checkpoint, also where names were added since."""
    table = model.text.get_input_embeddings().weight
    place = next(i for i, p in enumerate(opt.live) if p is table)
    carry_vocabulary(state, tokenizer.get_vocab(), place, table.detach().float())
    opt.restore(state)


def train(args: argparse.Namespace, model: Denoiser, opt: MasterOptimizer, examples: Examples) -> None:
    """The loop."""
    millions = [sum(p.numel() for p in part.parameters()) / 1e6 for part in (model.unet, model.text)]
    print(f"unet {millions[0]:.2f} M, text {millions[1]:.2f} M, {len(examples.variants)} pictures", flush=True)
    kept, compiled = build_scheduler().alphas_cumprod, torch.compile(model)
    limits, running, begun = Limits(args.steps, args.minutes), 0.0, opt.steps
    while (share := limits.share(opt.steps)) < 1:
        loss = velocity_loss(compiled, kept, *examples.batch(args.batch))
        loss.backward()  # type: ignore[no-untyped-call]
        running = loss.item() if not running else 0.98 * running + 0.02 * loss.item()
        opt.step(rate_at(share, opt.steps, args.rate, args.tail))
        if opt.steps % 50 == 0:
            unpin_threads()
            speed = (opt.steps - begun) * args.batch / limits.elapsed
            print(f"{opt.steps} {limits.elapsed:.0f}s {speed:.1f}/s loss {running:.4f}", flush=True)
        if opt.steps % args.save_every == 0:
            save_atomic(opt.state() | {"vocab": examples.tokenizer.get_vocab()}, args.work / "train.pt")
    save_atomic(opt.state() | {"vocab": examples.tokenizer.get_vocab()}, args.work / "train.pt")


if __name__ == "__main__":
    main()
