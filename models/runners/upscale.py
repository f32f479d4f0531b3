"""Upscalers: a picture made larger by a network of the ESRGAN kind, or by plain resampling.

The networks come from spandrel (MIT), which knows what a weight file is by its tensors; ``spandrel_extra_arches`` is
not used, since its networks may not be used commercially. Nothing here depends on the size of the picture but the
result: the network sees one tile at a time, smaller ones when memory runs out, and in the end the processor.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageFilter

from models import devices, faults, pictures
from models.card import ModelRef
from models.errors import AtelierError, ErrorCode, InvalidInputError, Problem
from models.planning import DeviceFacts, Plan, valid_dtypes
from models.runners import tiles
from models.runners.base import NO_ADDONS, Addons, OutOfMemoryError, Picture, Report
from models.runners.diffusion.memory import oom_as

log = logging.getLogger(__name__)

LANCZOS = "lanczos"
SMALLEST_TILE = 64
_LARGEST_TILE = {"cpu": 256, "other": 768}
_OVERLAP = 32
_BYTES_A_PIXEL = 40_000
"""Memory that a network takes for one pixel of its input, in float32: estimated from the layers of ESRGAN x4 with 64
features (38 kB). How memory really grows with the tile is measured in ``tests/bench/upscaling.py``."""
_MOST_PASSES = 3


class UpscaleKind:
    """See ``RunnerKind``."""

    def plans(self, model: ModelRef, facts: DeviceFacts, pixels: int = 0) -> tuple[Plan, ...]:
        half = "float16" in valid_dtypes(facts) and facts.fast_fp16
        return (Plan(facts.torch_device, "float16" if half else "float32", needed_bytes=_size_of(model.folder)),)

    def load(self, model: ModelRef, plan: Plan, report: Report, cache: Path) -> Upscaler:
        """Read the network; raises AtelierError (MODEL_CORRUPT, MODEL_UNSUPPORTED) or OutOfMemoryError."""
        if not model.folder:
            return Upscaler(None, plan)
        report.loading(0.0, Path(model.folder).name)
        with oom_as("load", plan.device):
            network = read_network(Path(model.folder), model.name)
            half = plan.dtype == "float16" and network.supports_half
            network.to(plan.device, torch.float16 if half else torch.float32).eval()
        report.loading(1.0, "")
        return Upscaler(network, plan)

    def warm_up(self) -> dict[str, str]:
        import spandrel

        return {"torch": torch.__version__, "spandrel": spandrel.__version__}


class Upscaler:
    """A loaded network (``spandrel.ImageModelDescriptor``), or none: then pictures are resampled."""

    def __init__(self, network: Any, plan: Plan) -> None:
        self._network = network
        self._plan = plan
        self.memory = 0
        if network is not None:
            self.memory = sum(tensor.numel() * tensor.element_size() for tensor in network.model.state_dict().values())

    def run(self, inputs: dict[str, Any], seed: int, keep: Path, report: Report, addons: Addons = NO_ADDONS) -> Picture:
        """See ``Runner.run``; ``inputs`` as ``models.tools.UPSCALE`` has them."""
        began = time.perf_counter()
        opened = pictures.open_picture(inputs["image"], alpha=True)
        image = opened.image
        size = target(image.size, inputs)
        report.stage("running")
        made = self.enlarged(image, size, report, int(inputs.get("tile") or 0))
        about = {"path": str(inputs["image"]), "sha256": opened.sha256, "width": image.width, "height": image.height}
        facts: dict[str, Any] = {
            "pictures": {"image": about},
            "dtype": self._plan.dtype if self._network is not None else "",
            "timings": {"upscale": round(time.perf_counter() - began, 3)},
        }
        if self._network is not None:
            facts["architecture"] = self._network.architecture.name
        return Picture(made, seed, facts)

    def enlarged(self, image: Image.Image, size: tuple[int, int], report: Report, tile: int = 0) -> Image.Image:
        """``image`` (RGB or RGBA) at ``size``: as many passes as it takes, the rest by resampling. Alpha is resampled;
        what is transparent is first given the colours around it, so that none bleed in."""
        colours, alpha = image.convert("RGB"), None
        if image.mode == "RGBA":
            alpha = image.getchannel("A")
            colours = _filled(image)
        if self._network is not None:
            colours = self._passes(colours, size, report, tile)
        else:
            report.step(0, 1)
        made = colours if colours.size == size else colours.resize(size, Image.Resampling.LANCZOS, reducing_gap=None)
        if self._network is None:
            report.step(1, 1)
        if alpha is not None:
            made.putalpha(alpha.resize(size, Image.Resampling.LANCZOS))
        return made

    def close(self) -> None:
        self._network = None
        devices.release(self._plan.device)

    # -- the network

    def _passes(self, image: Image.Image, size: tuple[int, int], report: Report, tile: int) -> Image.Image:
        grey = _is_grey(image)
        count = passes(image.size, size, self._network.scale)
        side = tile or self._fitting_tile()
        for number in range(count):
            image = _not_beyond(image, self._network.scale)
            image, side = self._pass(image, side, report, (number, count))
        return image.convert("L").convert("RGB") if grey else image

    def _pass(self, image: Image.Image, side: int, report: Report, place: tuple[int, int]) -> tuple[Image.Image, int]:
        """Once through the network, with the largest tile that memory allows."""
        pixels = np.asarray(image)
        while True:
            try:
                with oom_as("run", self._plan.device), _watched(self._network.model, report):
                    faults.hit("tile")
                    made = self._in_tiles(pixels, side, report, place)
                return Image.fromarray(made), side
            except OutOfMemoryError as error:
                detail = str(error)
            if side > SMALLEST_TILE:
                side = max(SMALLEST_TILE, min(side, max(image.size)) // 2)
                report.notice("smaller_tiles", tile=side)
            elif self._network.device.type != "cpu":
                report.notice("upscale_on_cpu")
                self._network.to("cpu", torch.float32)
            else:
                raise OutOfMemoryError("run", detail)
            devices.release(self._plan.device)

    def _in_tiles(self, pixels: tiles.Pixels, side: int, report: Report, place: tuple[int, int]) -> tiles.Pixels:
        overlap = min(_OVERLAP, side // 4)
        each = tiles.count(pixels.shape[1], pixels.shape[0], side, overlap)
        number, count = place
        done = number * each
        total = count * each
        report.step(done, total)

        def step() -> None:
            nonlocal done
            done += 1
            report.checkpoint()
            report.step(done, total)

        return tiles.run(pixels, self._tile, self._network.scale, side, overlap, step)

    @torch.inference_mode()
    def _tile(self, pixels: tiles.Pixels) -> tiles.Floats:
        made = self._seen(pixels)
        if not bool(torch.isfinite(made).all()) and self._network.dtype != torch.float32:
            self._network.to(torch.float32)  # float16 overflowed: from now on without
            made = self._seen(pixels)
        if not bool(torch.isfinite(made).all()):
            raise AtelierError(ErrorCode.RESULT_BROKEN, "the upscaler's numbers are not finite", what="nan")
        found: tiles.Floats = made.float().mul(255).permute(1, 2, 0).cpu().numpy()
        return found

    def _seen(self, pixels: tiles.Pixels) -> torch.Tensor:
        """One tile through the network: (3, height, width), 0..1."""
        network = self._network
        given = torch.from_numpy(np.array(pixels)).to(network.device).permute(2, 0, 1)[None].to(network.dtype) / 255
        if network.input_channels == 1:  # a network for grey pictures sees each colour as one
            made = torch.cat([network(band) for band in given.transpose(0, 1)[:, None]], dim=1)
        else:
            made = network(given)
        seen: torch.Tensor = made[0, :3].expand(3, -1, -1)
        return seen

    def _fitting_tile(self) -> int:
        """The side of a tile that takes about a third of what is free."""
        device = self._network.device
        width = torch.finfo(self._network.dtype).bits / 32
        scale = max(1.0, self._network.scale**2 / 16)
        room = max(devices.free_bytes(str(device)), 1 << 28) / 3
        side = int((room / (_BYTES_A_PIXEL * width * scale)) ** 0.5)
        most = _LARGEST_TILE["cpu" if device.type == "cpu" else "other"]
        return max(SMALLEST_TILE, min(side // 16 * 16, most))


def read_network(path: Path, model: str) -> Any:
    """The network in a weight file, on the CPU. Pickled files are read by torch's restricted reader, which runs no
    code (and are only asked for after a person's word)."""
    import spandrel
    from safetensors import SafetensorError
    from safetensors.torch import load_file
    from spandrel import canonicalize_state_dict

    path = path if path.is_file() else next(iter(sorted(path.glob("*.safetensors"))), path)
    try:
        if path.suffix.lower() in (".safetensors", ".sft"):
            tensors: Any = load_file(path)
        else:
            tensors = torch.load(path, map_location="cpu", weights_only=True)
        found = spandrel.MAIN_REGISTRY.load(canonicalize_state_dict(tensors))
    except spandrel.UnsupportedModelError as error:
        detail = f"{path.name}: no upscaler that is known"
        raise AtelierError(ErrorCode.MODEL_UNSUPPORTED, detail, model=model, pipeline="unknown upscaler") from error
    except FileNotFoundError as error:
        raise AtelierError(ErrorCode.MODEL_INCOMPLETE, str(error), model=model, file=path.name) from error
    except (SafetensorError, OSError, EOFError) as error:
        raise AtelierError(ErrorCode.MODEL_CORRUPT, str(error), model=model, file=path.name) from error
    except MemoryError:
        raise
    except Exception as error:  # a hostile file makes readers and architectures raise anything at all
        detail = f"{type(error).__name__}: {error}"
        raise AtelierError(ErrorCode.MODEL_CORRUPT, detail, model=model, file=path.name) from error
    if not isinstance(found, spandrel.ImageModelDescriptor) or found.input_channels not in (1, 3):
        detail = f"{found.architecture.name} does not make one picture of another"
        raise AtelierError(ErrorCode.MODEL_UNSUPPORTED, detail, model=model, pipeline=found.architecture.name)
    return found


@contextmanager
def _watched(model: torch.nn.Module, report: Report) -> Iterator[None]:
    """Within, cancelling works between any two layers: on a processor one tile can take a minute."""
    with ExitStack() as stack:
        for layer in model.modules():
            if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
                stack.callback(layer.register_forward_pre_hook(lambda *_: report.checkpoint()).remove)
        yield


def target(size: tuple[int, int], inputs: dict[str, Any]) -> tuple[int, int]:
    """The size that is wanted: by the longer side where one is given, else by the factor.

    Raises:
        InvalidInputError: larger than pictures may be.
    """
    longest = int(inputs.get("longest_side") or 0)
    factor = longest / max(size) if longest else float(inputs.get("scale") or 1.0)
    wanted = (max(1, round(size[0] * factor)), max(1, round(size[1] * factor)))
    if wanted[0] * wanted[1] > pictures.MAX_PIXELS or max(wanted) > pictures.MAX_SIDE:
        name = "longest_side" if longest else "scale"
        sentence = (
            f"The picture would have {wanted[0]:,} × {wanted[1]:,} pixels; at most "
            f"{pictures.MAX_PIXELS // 1_000_000} megapixels can be made. Choose a smaller factor."
        )
        raise InvalidInputError(Problem(name, str(inputs.get(name)), sentence))
    return wanted


def passes(size: tuple[int, int], wanted: tuple[int, int], scale: int) -> int:
    """How often a network that enlarges ``scale`` times is used: until the size is reached; one of factor 1 once."""
    if scale <= 1:
        return 1
    count, factor = 0, max(wanted[0] / size[0], wanted[1] / size[1])
    while scale**count < factor * 0.99 and count < _MOST_PASSES:
        count += 1
    return max(count, 1)


def _not_beyond(image: Image.Image, scale: int) -> Image.Image:
    """What a network makes of ``image`` has to fit the memory too: where it would be larger than any result may be, it
    begins with less."""
    beyond = image.width * image.height * scale**2 / (1.5 * pictures.MAX_PIXELS)
    if beyond <= 1:
        return image
    factor = beyond**-0.5
    smaller = (max(1, int(image.width * factor)), max(1, int(image.height * factor)))
    return image.resize(smaller, Image.Resampling.LANCZOS)


def _is_grey(image: Image.Image) -> bool:
    pixels = np.asarray(image)
    same = np.array_equal(pixels[..., 0], pixels[..., 1]) and np.array_equal(pixels[..., 1], pixels[..., 2])
    return bool(same)


def _filled(image: Image.Image) -> Image.Image:
    """The colours of ``image`` (RGBA), with those around where it is transparent."""
    alpha = image.getchannel("A")
    colours = image.convert("RGB")
    if alpha.getextrema()[0] == 255:
        return colours
    radius = max(2, max(image.size) // 64)
    black = Image.new("RGB", image.size)
    blurred = np.asarray(Image.composite(colours, black, alpha).filter(ImageFilter.GaussianBlur(radius)), np.float32)
    share = np.asarray(alpha.filter(ImageFilter.GaussianBlur(radius)), np.float32)[..., None] / 255
    near = np.where(share > 0.004, blurred / np.maximum(share, 0.004), 128).clip(0, 255).astype(np.uint8)
    return Image.composite(colours, Image.fromarray(near), alpha.point(lambda value: 255 * (value > 0)))


def _size_of(folder: str) -> int:
    path = Path(folder) if folder else None
    return path.stat().st_size if path is not None and path.is_file() else 0
