"""LoRAs and their like: which layers they change, and from those layers' names and widths the family they fit.

Four ways of naming are in use: kohya's ("lora_unet_down_blocks_0_..."), diffusers' and PEFT's ("unet.down_blocks.0...
.lora_A.weight"), the original repositories' ("diffusion_model.double_blocks.0..."), and LyCORIS' kinds of matrices on
top of any of them. Dots and underscores are made one, so that one table serves all.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from models.recognise.finding import Finding, Tensors
from models.recognise.kinds import FileKind

_PARTS = re.compile(
    r"^(?P<layer>.+?)[._](?:"
    r"lora[._](?:linear_layer\.)?(?P<lora>down|up|A|B)(?:\.default)?(?:\.weight)?"
    r"|(?P<other>hada_w[12]_[ab]|hada_t[12]|lokr_w[12](?:_[ab])?|lokr_t2|oft_blocks|oft_diag|boft_blocks|diff|diff_b"
    r"|lora_mid\.weight|dora_scale|lora_magnitude_vector(?:\.weight)?|alpha|w_norm|b_norm|on_input|set_weight"
    r"|rescale|bundle_emb\..*)"
    r")$"
)
_MATRICES = ("lora", "hada", "lokr", "oft", "boft", "diff")


class Layer(NamedTuple):
    """One changed layer: its name with underscores, how many numbers it takes and gives (0: not known)."""

    name: str
    inputs: int
    outputs: int


def part_of(name: str) -> tuple[str, str] | None:
    """The layer a tensor of a LoRA changes, as the file calls it, and which part of the change it is ("down", "up",
    "alpha", "lokr_w1"...); None for a tensor of something else."""
    found = _PARTS.match(name)
    if found is None:
        return None
    part = {"A": "down", "B": "up"}.get(found["lora"] or "", found["lora"] or found["other"])
    return found["layer"], part.removesuffix(".weight")


def layers(tensors: Tensors) -> list[Layer]:
    """The layers that a LoRA changes."""
    return _layers(tensors)[0]


def find(tensors: Tensors) -> Finding | None:
    """A LoRA (LoKr, LoHa, full difference...) among ``tensors``, None if they are something else."""
    layers, matched, algorithm = _layers(tensors)
    if not layers or matched * 10 < len(tensors) * 8 or not algorithm:
        return None
    family, sure = family_of(layers)
    return Finding(
        FileKind.LORA,
        family,
        "" if algorithm == "lora" else algorithm,
        len(layers),
        warnings=() if sure else ("unverified_family",),
    )


def _layers(tensors: Tensors) -> tuple[list[Layer], int, str]:
    inputs: dict[str, int] = {}
    outputs: dict[str, int] = {}
    krons: dict[str, dict[str, tuple[int, ...]]] = {}
    names: dict[str, None] = {}
    matched, kinds = 0, set()
    for name, tensor in tensors.items():
        found = _PARTS.match(name)
        if found is None:
            continue
        matched += 1
        layer, part, shape = plain(found["layer"]), found["lora"] or found["other"], tensor.shape
        if part == "alpha" or len(shape) < 1:
            continue
        kinds.add("lora" if found["lora"] else part.split("_")[0])
        names[layer] = None
        if part in ("down", "A", "hada_w1_b") and len(shape) > 1:
            inputs[layer] = shape[1]
        elif part in ("up", "B", "hada_w1_a"):
            outputs[layer] = shape[0]
        elif part == "diff" and len(shape) > 1:
            outputs[layer], inputs[layer] = shape[0], shape[1]
        elif part.startswith("lokr_w") and len(shape) > 1:
            krons.setdefault(layer, {})[part] = shape
    for layer, shapes in krons.items():
        outputs[layer], inputs[layer] = _kron(shapes)
    algorithm = next((kind for kind in _MATRICES if kind in kinds), "")
    return [Layer(name, inputs.get(name, 0), outputs.get(name, 0)) for name in names], matched, algorithm


def _kron(shapes: dict[str, tuple[int, ...]]) -> tuple[int, int]:
    """Outputs and inputs of a Kronecker product whose factors may be products themselves."""

    def factor(name: str) -> tuple[int, int]:
        if name in shapes:
            return shapes[name][0], shapes[name][1]
        first, second = shapes.get(f"{name}_a"), shapes.get(f"{name}_b")
        return (first[0], second[1]) if first and second else (0, 0)

    one, other = factor("lokr_w1"), factor("lokr_w2")
    return one[0] * other[0], one[1] * other[1]


def plain(name: str) -> str:
    """A layer's name with underscores only, without what says nothing about where it is."""
    return name.replace(".", "_").replace("_processor_", "_").replace("_default", "")


# -- families ---------------------------------------------------------------------------------------------------------

_CROSS = re.compile(r"attn2_to_[kv]$")
_BY_CROSS = {768: "sd15", 1024: "sd2", 2048: "sdxl", 1280: "sdxl-refiner"}
_UNSURE = ("sd3-medium",)
"""SD 3.5 medium has the same layers, and a second attention that not every LoRA trains."""
_UNET = re.compile(r"(down_blocks|up_blocks|mid_block|input_blocks|output_blocks|middle_block)_")
_NAMED: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), family)
    for pattern, family in (
        (r"double_stream_blocks_\d{1,6}", "hidream"),
        (r"joint_transformer_blocks_\d{1,6}|double_layers_\d{1,6}_attn_w", "auraflow"),
        (r"early_stream_modulations|txt_mode_blocks_\d{1,6}", "flux3"),
        (r"double_stream_modulation|_to_qkv_mlp_proj$", "flux2"),
        (r"distilled_guidance_layer", "chroma"),
        (r"txtfusion|text_fusion_", "krea2"),
        (r"transformer_blocks_\d{1,6}_(img_mod|txt_mod|img_mlp|txt_mlp)", "qwen-image"),
        (r"individual_token_refiner|token_refiner_refiner_blocks", "hunyuan-image"),
        (r"ff_conv_inverted|mlp_inverted_conv", "sana"),
        (r"blocks_\d{1,6}_(self_attn|cross_attn)_[qkvo]$", "wan"),
        (r"visual_transformer_blocks_\d{1,6}", "kandinsky"),
    )
)


def family_of(layers: list[Layer]) -> tuple[str, bool]:
    """The family, empty if it cannot be told, and whether it is sure."""
    for pattern, family in _NAMED:
        if any(pattern.search(layer.name) for layer in layers):
            return (_flux2(layers), True) if family == "flux2" else (family, True)
    for way in (_unet, _flux, _sd3_or_qwen, _lumina, _pixart, _text_only):
        if family := way(layers):
            return family, family not in _UNSURE
    return "", False


def _unet(layers: list[Layer]) -> str:
    own = [layer for layer in layers if _UNET.search(layer.name)]
    if not own:
        return ""
    widths = {layer.inputs for layer in own if _CROSS.search(layer.name)}
    known = [family for width, family in _BY_CROSS.items() if width in widths]
    if known:
        return known[0]
    if any(layer.name.startswith(("lora_te1_", "lora_te2_", "text_encoder_2_")) for layer in layers):
        return "sdxl"
    deepest = max(
        (int(n) for layer in own for n in re.findall(r"_transformer_blocks_(\d{1,6})_", layer.name)), default=0
    )
    return "sdxl" if deepest > 0 else ""


def _highest(layers: list[Layer], pattern: str) -> int:
    numbers = (int(found[1]) for layer in layers if (found := re.search(pattern, layer.name)))
    return max(numbers, default=-1)


def _width(layers: list[Layer], pattern: str) -> int:
    """The commonest number of inputs of the layers that ``pattern`` finds."""
    widths = [layer.inputs for layer in layers if layer.inputs and re.search(pattern, layer.name)]
    return max(set(widths), key=widths.count, default=0)


_SINGLES = r"single_(?:transformer_)?blocks_(\d{1,6})_"


def _flux(layers: list[Layer]) -> str:
    """FLUX.1 and those of its shape: two kinds of blocks."""
    doubles = _highest(layers, r"double_blocks_(\d{1,6})_")
    singles = _highest(layers, _SINGLES)
    if doubles < 0 and singles < 0:
        return ""
    width = _width(layers, r"attn_qkv|attn_to_q|attn_proj|linear1|img_attn|to_out_0")
    wide_ff = {layer.outputs for layer in layers if re.search(r"img_mlp_0$|ff_linear_in$", layer.name)}
    joined = {layer.outputs for layer in layers if layer.name.endswith("_linear1")}
    if width in (6144, 4096) or 18432 in wide_ff or 27648 in joined:
        return _flux2(layers)
    if width == 3584:
        return "hunyuan-image"
    return "flux1"


def _flux2(layers: list[Layer]) -> str:
    width = _width(layers, r"attn_qkv|attn_to_q|qkv_mlp_proj|attn_proj|linear1|img_attn")
    return {3072: "flux2-klein-4b", 4096: "flux2-klein-9b"}.get(width, "flux2")


def _sd3_or_qwen(layers: list[Layer]) -> str:
    """One kind of blocks, in which words and picture meet."""
    if not any(re.search(r"joint_blocks_\d{1,6}|attn_add_[qkv]_proj|attn_to_add_out", layer.name) for layer in layers):
        return ""
    if any(re.search(r"_attn2_", layer.name) for layer in layers):
        return "sd35-medium"
    width = _width(layers, r"attn")
    if width == 3072:
        return "qwen-image" if _highest(layers, r"transformer_blocks_(\d{1,6})_") > 18 else "flux1"
    return {2432: "sd35-large", 1536: "sd3-medium"}.get(width, "")


def _lumina(layers: list[Layer]) -> str:
    width = _width(layers, r"(?:^|_)layers_\d{1,6}_(?:attention|attn)_")
    return {3840: "z-image", 2304: "lumina2", 4608: "ideogram4"}.get(width, "")


def _pixart(layers: list[Layer]) -> str:
    width = _width(layers, r"transformer_blocks_\d{1,6}_attn1_to_q|blocks_\d{1,6}_attn_qkv")
    return {1152: "pixart", 2240: "sana"}.get(width, "")


def _text_only(layers: list[Layer]) -> str:
    if any(layer.name.startswith(("lora_te2_", "lora_te1_", "text_encoder_2_")) for layer in layers):
        return "sdxl"
    width = _width(layers, r"text_model_encoder_layers_\d{1,6}_self_attn_q")
    return {768: "sd15", 1024: "sd2"}.get(width, "")
