"""Upscalers by their tensors' names, as spandrel (MIT) tells them apart, and how much they enlarge."""

from __future__ import annotations

import math
import re

from models.recognise.finding import Finding, Tensors, side
from models.recognise.kinds import FileKind

_BLOCK = "layers.0.residual_group.blocks.0."
_MARKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("esrgan", ("model.0.weight", "model.1.sub.0.RDB1.conv1.0.weight")),
    ("esrgan", ("conv_first.weight", "body.0.rdb1.conv1.weight", "conv_last.weight")),
    ("esrgan", ("conv_first.weight", "RRDB_trunk.0.RDB1.conv1.weight", "conv_last.weight")),
    ("hat", ("conv_first.weight", f"{_BLOCK}conv_block.cab.0.weight")),
    ("swin2sr", ("patch_embed.proj.weight", f"{_BLOCK}norm1.weight", f"{_BLOCK}attn.logit_scale")),
    ("swinir", ("conv_first.weight", f"{_BLOCK}norm1.weight", f"{_BLOCK}mlp.fc1.weight")),
    ("swinir", ("conv_first.1.weight", f"{_BLOCK}norm1.weight")),
    ("dat", ("conv_first.weight", "before_RG.1.weight", "layers.0.blocks.0.ffn.fc1.weight")),
    ("rgt", ("conv_first.weight", "before_RG.1.weight", "layers.0.blocks.0.gamma")),
    ("atd", ("conv_first.weight", "layers.0.residual_group.td")),
    ("drct", ("conv_first.weight", "layers.0.swin1.norm1.weight", "layers.0.adjust1.weight")),
    ("grl", ("conv_first.weight", "norm_start.weight", "norm_end.weight")),
    ("craft", ("conv_first.weight", "layers.0.residual_group.hf_blocks.0.attn.temperature")),
    ("span", ("conv_1.sk.weight", "block_1.c1_r.sk.weight", "upsampler.0.weight")),
    ("omnisr", ("residual_layer.0.residual_layer.0.layer.0.fn.0.weight", "input.weight", "up.0.weight")),
    ("plksr", ("feats.0.weight", "feats.1.refine.weight")),
    ("safmn", ("to_feat.weight", "feats.0.safm.aggr.weight")),
    ("mosr", ("gblocks.0.weight", "gblocks.1.fc1.weight")),
    ("realcugan", ("unet1.conv1.conv.0.weight", "unet2.conv_bottom.weight")),
    ("scunet", ("m_head.0.weight", "m_tail.0.weight")),
    ("gfpgan", ("toRGB.0.weight", "stylegan_decoder.style_mlp.1.weight")),
    ("compact", ("body.0.weight", "body.1.weight")),
)


def find(tensors: Tensors) -> Finding | None:
    """An upscaler: ``variant`` is its architecture and, where it can be told, its factor ("esrgan x4")."""
    for name, marks in _MARKS:
        if all(mark in tensors for mark in marks):
            factor = _scale(name, tensors)
            return Finding(FileKind.UPSCALER, "", f"{name} x{factor}" if factor else name, len(tensors))
    return None


def _scale(name: str, tensors: Tensors) -> int:
    """The factor of one side; 0 where it cannot be told."""
    if name == "compact":
        last = max((int(n.split(".")[1]) for n in tensors if re.fullmatch(r"body\.\d{1,6}\.weight", n)), default=0)
        return _root(side(tensors, f"body.{last}.weight", 0), 3)
    if "model.0.weight" in tensors:
        # Old layout: first layer, blocks, one layer for each doubling, two last layers.
        ups = sum(bool(re.fullmatch(r"model\.\d{1,6}\.weight", n)) for n in tensors) - 3
        return 1 << ups if 0 <= ups <= 3 else 0
    ups = sum(f"{stem}{number}.weight" in tensors for stem in ("conv_up", "upconv") for number in (1, 2, 3))
    if ups:
        # Real-ESRGAN for smaller factors folds pixels into channels first.
        folded = {12: 2, 48: 4}.get(side(tensors, "conv_first.weight", 1), 1)
        return max((1 << ups) // folded, 1)
    return _by_shuffle(tensors)


def _by_shuffle(tensors: Tensors) -> int:
    for stem in ("upsample", "upsampler", "up", "to_img"):
        outputs, inputs = side(tensors, f"{stem}.0.weight", 0), side(tensors, f"{stem}.0.weight", 1)
        if not outputs or not inputs:
            continue
        if outputs == 9 * inputs:
            return 3
        if outputs == 4 * inputs:
            doublings = sum(f"{stem}.{number}.weight" in tensors for number in (0, 2, 4))
            return 1 << doublings if doublings else 0
        return _root(outputs, 3)
    return 0


def _root(outputs: int, colours: int) -> int:
    if outputs <= 0 or outputs % colours:
        return 0
    root = math.isqrt(outputs // colours)
    return root if root * root * colours == outputs else 0
