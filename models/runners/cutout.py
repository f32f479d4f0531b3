"""Background removal: a network says how much of each pixel belongs to the subject, and that becomes the alpha.

The good networks for this (BiRefNet, IS-Net, MODNet) are in no library that loads safetensors; their authors or the hub
offer them as ONNX files, which are plain graphs and run no code of their own. They run in onnxruntime (MIT), straight
from the file. ``rembg`` (MIT) wraps the same files but fetches them from elsewhere, past the catalog;
``transparent-background`` brings one network and needs much more.

The mask is small (mostly 1024 pixels a side). Its edge is worked out at the picture's own size by a guided filter (He,
Sun and Tang 2010), and the subject's colours are cleaned of the background where the edge is soft.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from models import faults, pictures
from models.card import ModelRef
from models.errors import AtelierError, ErrorCode
from models.planning import DeviceFacts, Plan
from models.runners.base import NO_ADDONS, Addons, OutOfMemoryError, Picture, Report
from models.runners.cutout_colours import Colours, colours_of

Floats = npt.NDArray[np.float32]

_SIDE = 1024
"""Pixels a side of what a network is given that takes any size."""
_WORK = 2048
"""Pixels of the longer side at which edges are worked out; larger pictures take the result enlarged."""
_MOST_BYTES = 2 << 30


class CutoutKind:
    """See ``RunnerKind``."""

    def plans(self, model: ModelRef, facts: DeviceFacts, pixels: int = 0) -> tuple[Plan, ...]:
        return (Plan("cpu"),)  # onnxruntime brings its own way to devices, see ``_providers``

    def load(self, model: ModelRef, plan: Plan, report: Report, cache: Path) -> Cutter:
        """Read the graph; raises AtelierError (MODEL_INCOMPLETE, MODEL_CORRUPT, MODEL_UNSUPPORTED)."""
        report.loading(0.0, "background")
        path = graph_in(Path(model.folder), model.name)
        cutter = Cutter(_session(path, model.name), path, model.name, colours_of(path, f"{model.id} {model.name}"))
        report.loading(1.0, "")
        return cutter

    def warm_up(self) -> dict[str, str]:
        import onnxruntime

        return {"onnxruntime": onnxruntime.__version__}


class Cutter:
    """A loaded graph: one picture in, one mask out."""

    def __init__(self, session: Any, path: Path, name: str, colours: Colours) -> None:
        self._session = session
        self._colours = colours
        self._name = name
        self.memory = path.stat().st_size
        given = session.get_inputs()
        if len(given) != 1 or len(given[0].shape) != 4 or given[0].shape[1] not in (3, "3"):
            raise AtelierError(ErrorCode.MODEL_UNSUPPORTED, model=name, pipeline="takes no picture")
        self._input = given[0]

    def run(self, inputs: dict[str, Any], seed: int, keep: Path, report: Report, addons: Addons = NO_ADDONS) -> Picture:
        """See ``Runner.run``; ``inputs`` as ``models.tools.CUTOUT`` has them."""
        began = time.perf_counter()
        opened = pictures.open_picture(inputs["image"], alpha=True)
        image = opened.image
        report.stage("running")
        report.step(0, 2)
        report.checkpoint()
        try:
            faults.hit("cutout")
            mask = self._mask(image.convert("RGB"))
            report.checkpoint()
            report.step(1, 2)
            made = cut(image, mask, float(inputs.get("edge", 0.5)), float(inputs.get("threshold", 0.0)))
        except MemoryError as error:
            raise OutOfMemoryError("run", str(error)) from error
        report.step(2, 2)
        about = {"path": str(inputs["image"]), "sha256": opened.sha256, "width": image.width, "height": image.height}
        given = {"mean": list(self._colours.mean), "std": list(self._colours.std), "by": self._colours.by}
        facts = {
            "pictures": {"image": about},
            "normalisation": given,
            "timings": {"cutout": round(time.perf_counter() - began, 3)},
        }
        return Picture(made, seed, facts)

    def close(self) -> None:
        self._session = None

    def _mask(self, image: Image.Image) -> Floats:
        """How much of each pixel is the subject, 0..1, at the size the network works at."""
        height, width = (side if isinstance(side, int) and side > 0 else _SIDE for side in self._input.shape[2:])
        small = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR), np.float32)
        given = self._colours.apply(small).transpose(2, 0, 1)[None]
        dtype = np.float16 if "16" in self._input.type else np.float32
        try:
            answers = self._session.run(None, {self._input.name: given.astype(dtype)})
        except Exception as error:  # onnxruntime's errors share no base class
            if "alloc" in str(error).lower():
                raise MemoryError(str(error)) from error
            raise AtelierError(ErrorCode.MODEL_UNSUPPORTED, str(error), model=self._name, pipeline="ONNX") from error
        mask = np.asarray(answers[0] if answers[0].ndim >= 2 else answers[-1], np.float32)
        while mask.ndim > 2:
            mask = mask[0]
        if mask.ndim != 2 or not np.isfinite(mask).all():
            raise AtelierError(ErrorCode.RESULT_BROKEN, f"a mask of shape {mask.shape}", what="mask")
        if mask.min() < -0.01 or mask.max() > 1.01:  # numbers before the last sigmoid
            mask = (1 / (1 + np.exp(-np.clip(mask, -30, 30)))).astype(np.float32)
        return mask


def cut(image: Image.Image, mask: Floats, edge: float, threshold: float) -> Image.Image:
    """``image`` with ``mask`` as its alpha, worked out to its own size; what was clear stays so."""
    factor = min(1.0, _WORK / max(image.size))
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    colours = image.convert("RGB")
    work = colours if size == image.size else colours.resize(size, Image.Resampling.BOX)
    fine = Image.fromarray(mask).resize(size, Image.Resampling.BICUBIC)
    alpha: Floats = np.asarray(fine, np.float32).clip(0, 1).astype(np.float32)
    if edge > 0:
        radius = max(1, round(edge * max(size) / 64))
        grey: Floats = (np.asarray(work.convert("L"), np.float32) / 255).astype(np.float32)
        alpha = guided(grey, alpha, radius, 1e-4).clip(0, 1).astype(np.float32)
    if threshold > 0:
        alpha = (alpha >= threshold).astype(np.float32)
    whole = Image.fromarray(np.rint(alpha * 255).astype(np.uint8)).resize(image.size, Image.Resampling.BICUBIC)
    if image.mode == "RGBA":
        before = np.asarray(image.getchannel("A"), np.uint16)
        whole = Image.fromarray((before * np.asarray(whole, np.uint16) // 255).astype(np.uint8))
    share: Floats = (np.asarray(whole, np.float32) / 255).astype(np.float32)
    result = cleaned(colours, share) if edge > 0 and threshold == 0 else colours.copy()
    result.putalpha(whole)
    return result


def guided(guide: Floats, values: Floats, radius: int, eps: float) -> Floats:
    """``values`` with the edges of ``guide`` ("Guided Image Filtering", He, Sun and Tang 2010); both (height, width),
    0..1."""
    mean_g, mean_v = _mean(guide, radius), _mean(values, radius)
    share: Floats = (_mean(guide * values, radius) - mean_g * mean_v) / (_mean(guide * guide, radius) - mean_g**2 + eps)
    rest: Floats = mean_v - share * mean_g
    found: Floats = _mean(share, radius) * guide + _mean(rest, radius)
    return found


def _mean(values: Floats, radius: int) -> Floats:
    """The mean over a square of ``2 * radius + 1``; edges are continued."""
    for axis in (0, 1):
        edges = [(radius + 1, radius) if each == axis else (0, 0) for each in (0, 1)]
        sums = np.cumsum(np.pad(values, edges, mode="edge"), axis=axis, dtype=np.float64)
        span = 2 * radius + 1
        ahead = np.take(sums, range(span, sums.shape[axis]), axis)
        behind = np.take(sums, range(sums.shape[axis] - span), axis)
        values = ((ahead - behind) / span).astype(np.float32)
    return values


def cleaned(image: Image.Image, alpha: Floats) -> Image.Image:
    """``image`` with the subject's own colours where the background shines through: those of what is surely subject
    nearby."""
    soft = (alpha > 0.01) & (alpha < 0.95)
    if not soft.any():
        return image.copy()
    pixels = np.asarray(image, np.float32)
    sure = (alpha >= 0.95).astype(np.float32)
    radius = max(2, max(image.size) // 128)
    weight = _mean(_mean(sure, radius), radius)
    near = np.stack([_mean(_mean(pixels[..., band] * sure, radius), radius) for band in range(3)], axis=2)
    known = soft & (weight > 1e-3)
    result = pixels.copy()
    share = (1 - alpha[known])[:, None]
    result[known] = (1 - share) * pixels[known] + share * (near[known] / weight[known][:, None])
    return Image.fromarray(np.rint(result.clip(0, 255)).astype(np.uint8))


def graph_in(folder: Path, name: str) -> Path:
    """The ONNX file of a model: the folder's own, whole before smaller kinds; raises MODEL_INCOMPLETE without one."""
    if folder.is_file():
        found = [folder]
    else:
        found = sorted(folder.rglob("*.onnx"), key=lambda file: (file.name != "model.onnx", len(file.name), file.name))
    if not found:
        raise AtelierError(ErrorCode.MODEL_INCOMPLETE, model=name, file="model.onnx")
    if found[0].stat().st_size > _MOST_BYTES:
        raise AtelierError(ErrorCode.MODEL_UNSUPPORTED, model=name, pipeline="larger than an ONNX file can be")
    return found[0]


def _session(path: Path, name: str) -> Any:
    """The graph, ready to run. It is handed over as bytes, so that it cannot name other files to be read."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)
    try:
        return onnxruntime.InferenceSession(path.read_bytes(), providers=_providers(onnxruntime))
    except MemoryError as error:
        raise OutOfMemoryError("load", str(error)) from error
    except Exception as error:  # as above
        raise AtelierError(ErrorCode.MODEL_CORRUPT, str(error), model=name, file=path.name) from error


def _providers(onnxruntime: Any) -> list[str]:
    """Where it computes: a graphics card if this build of onnxruntime knows one, and the processor."""
    have = onnxruntime.get_available_providers()
    return [each for each in ("CUDAExecutionProvider", "CPUExecutionProvider") if each in have]
