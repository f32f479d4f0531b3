"""Train the autoencoder (AutoencoderTiny, 8 pixels to one latent, 4 channels) that the denoiser works in.

`python -m models.pocket.train_vae --work DIR` writes DIR/vae and resumes from DIR/vae.pt.
`--decoder-only` leaves the encoder (hence all latents) as it is and sharpens the decoder on noisier latents.
Architecture: TAESD, https://github.com/madebyollin/taesd (MIT), through diffusers.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny

from models.pocket.colours import GROUNDS, WHITE, Bytes, over
from models.pocket.data import list_variants, picture, read_concepts
from models.pocket.training import Limits, MasterOptimizer, as_tensor, rate_at, save_atomic, unpin_threads

WIDTH = 32


def build() -> AutoencoderTiny:
    """Most work at low resolution: two cores train it in a quarter of an hour."""
    return AutoencoderTiny(
        encoder_block_out_channels=(WIDTH,) * 4,
        decoder_block_out_channels=(WIDTH,) * 4,
        num_encoder_blocks=(0, 0, 2, 2),
        num_decoder_blocks=(3, 3, 1, 0),
        latent_channels=4,
        scaling_factor=1.0,
    )


class Pictures:
    """Random batches: part of them training pictures, part any icon, mirrored, on any ground, colours swapped.

    All drawn once; batches are crops, because a convolutional autoencoder learns as much from a quarter of a picture.
    """

    def __init__(self, work: Path, seed: int) -> None:
        icons: Bytes = np.load(work / "icons.npy")
        variants = list_variants(read_concepts(), icons)
        self.rng = np.random.default_rng(seed)
        self.known = as_tensor(np.stack([picture(v, icons) for v in variants])).bfloat16()
        plain = np.array([v.weight for v in variants])
        self.share = plain / plain.sum()
        self.any = as_tensor(np.stack([self.loose(i) for i in np.load(work / "others.npy")])).bfloat16()

    def loose(self, icon: Bytes) -> Bytes:
        """An icon changed freely, so that the autoencoder also fits pictures nobody drew for it."""
        rng = self.rng
        ground = WHITE if rng.random() < 0.5 else list(GROUNDS.values())[rng.integers(len(GROUNDS))]
        flat = over(icon[:, ::-1] if rng.random() < 0.5 else icon, ground)
        return flat[..., rng.permutation(3)] if rng.random() < 0.3 else flat

    def batch(self, size: int, strict: float, crop: int) -> torch.Tensor:
        """`size` crops, a share `strict` of them from exactly the training pictures."""
        rng, chosen = self.rng, []
        for _ in range(size):
            whole = (
                self.known[rng.choice(len(self.known), p=self.share)]
                if rng.random() < strict
                else self.any[rng.integers(len(self.any))]
            )
            y, x = rng.integers(0, whole.shape[-1] - crop + 1, 2)
            chosen.append(whole[:, y : y + crop, x : x + crop])
        return torch.stack(chosen).contiguous(memory_format=torch.channels_last)


def edges(x: torch.Tensor) -> torch.Tensor:
    """Mean size of the horizontal and vertical differences."""
    return (x[..., 1:] - x[..., :-1]).abs().mean() + (x[..., 1:, :] - x[..., :-1, :]).abs().mean()


class Coder(torch.nn.Module):
    """Encode, disturb the latents, decode."""

    def __init__(self, vae: AutoencoderTiny, frozen: bool) -> None:
        super().__init__()
        self.vae, self.frozen = vae, frozen

    def forward(self, x: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The rebuilt picture and the clean latents."""
        z = self.vae.encoder(x)
        z = z.detach() if self.frozen else z
        return self.vae.decoder(z + noise), z


def loss_of(x: torch.Tensor, y: torch.Tensor, z: torch.Tensor) -> tuple[torch.Tensor, float]:
    """L1 + L2 + edges, and a pull of each latent channel to mean 0, deviation 1; also the plain squared error."""
    gap = y.float() - x.float()
    z = z.float()
    unit = z.mean((0, 2, 3)).pow(2).mean() + (z.std((0, 2, 3)) - 1).pow(2).mean() + (z.abs() - 2.5).relu().mean()
    square = gap.pow(2).mean()
    return gap.abs().mean() + square + 0.5 * edges(gap) + 0.02 * unit, square.item()


def main() -> None:
    """Train, resume, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--batch", type=int, default=24)
    parser.add_argument("--crop", type=int, default=48)
    parser.add_argument("--known", type=float, default=0.7, help="share of batches that are training pictures")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--noise", type=float, default=0.1)
    parser.add_argument("--decoder-only", action="store_true")
    args = parser.parse_args()
    torch.manual_seed(0)
    vae = build()
    if args.decoder_only:
        vae = AutoencoderTiny.from_pretrained(args.work / "vae")
        vae.encoder.requires_grad_(False)
    vae = vae.to(memory_format=torch.channels_last).bfloat16()
    opt = MasterOptimizer(vae.parameters(), ema=0.99, decay=1e-4)
    saved = args.work / ("vae_decoder.pt" if args.decoder_only else "vae.pt")
    if saved.exists():
        opt.restore(torch.load(saved))
    pictures, coder = Pictures(args.work, opt.steps), torch.compile(Coder(vae, args.decoder_only))
    limits, running, begun = Limits(args.steps, args.minutes), 0.0, opt.steps
    while (share := limits.share(opt.steps)) < 1:
        x = pictures.batch(args.batch, args.known, args.crop)
        side = x.shape[-1] // 8
        spread = torch.rand(len(x), 1, 1, 1) * 2 * args.noise
        y, z = coder(x, (spread * torch.randn(len(x), 4, side, side)).bfloat16())
        loss, square = loss_of(x, y, z)
        loss.backward()  # type: ignore[no-untyped-call]
        running = square if not running else 0.97 * running + 0.03 * square
        opt.step(rate_at(share, opt.steps, args.rate))
        if opt.steps % 50 == 0:
            unpin_threads()
            speed = (opt.steps - begun) * args.batch / limits.elapsed
            print(
                f"{opt.steps} {limits.elapsed:.0f}s {speed:.1f}/s psnr {10 * math.log10(4 / running):.2f}", flush=True
            )
        if opt.steps % 300 == 0:
            save_atomic(opt.state(), saved)
    save_atomic(opt.state(), saved)
    opt.use_mean()
    vae.float().to(memory_format=torch.contiguous_format).save_pretrained(args.work / "vae")


if __name__ == "__main__":
    main()
