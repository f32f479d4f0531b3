"""Pictures in words: BLIP, GIT, Florence-2 and models that answer questions (SmolVLM, Idefics 3, Qwen-VL...)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import StoppingCriteria

from models import devices, faults, pictures
from models.card import ModelRef
from models.errors import AtelierError, ErrorCode
from models.planning import DeviceFacts, Plan, valid_dtypes
from models.runners.base import NO_ADDONS, Addons, Report, Words
from models.runners.diffusion.memory import oom_as
from models.runners.helpers import Helper, read_model

_AUTOS = ("AutoModelForImageTextToText", "AutoModelForCausalLM")
_TOKENS = {"short": 40, "detailed": 160, "very detailed": 400}
_FLORENCE = {"short": "<CAPTION>", "detailed": "<DETAILED_CAPTION>", "very detailed": "<MORE_DETAILED_CAPTION>"}
_ASKED = {
    "short": "Describe this picture in one short sentence.",
    "detailed": "Describe this picture in two or three sentences, as a prompt to draw it again.",
    "very detailed": "Describe this picture in detail: subject, setting, composition, light, colours and style.",
}


class CaptionKind:
    """See ``RunnerKind``."""

    def plans(self, model: ModelRef, facts: DeviceFacts, pixels: int = 0) -> tuple[Plan, ...]:
        """On the device, then on the processor."""
        size = sum(file.stat().st_size for file in Path(model.folder).glob("*.safetensors"))
        half = "bfloat16" if "bfloat16" in valid_dtypes(facts) and facts.fast_bf16 else "float32"
        ways = [Plan(facts.torch_device, half, half, needed_bytes=size)]
        if facts.torch_device != "cpu":
            ways.append(Plan("cpu", needed_bytes=size))
        return tuple(ways)

    def load(self, model: ModelRef, plan: Plan, report: Report, cache: Path) -> Captioner:
        report.loading(0.0, "caption")
        with oom_as("load", plan.device):
            helper = read_model(Path(model.folder), model.name, _AUTOS, plan.dtype, words=_AUTOS)
            helper.model.to(plan.device)
        report.loading(1.0, "")
        return Captioner(helper, plan)

    def warm_up(self) -> dict[str, str]:
        import transformers

        return {"torch": torch.__version__, "transformers": transformers.__version__}


class Captioner:
    """A loaded model that looks at a picture and writes."""

    def __init__(self, helper: Helper, plan: Plan) -> None:
        self._helper: Helper | None = helper
        self._plan = plan
        self.memory = sum(tensor.numel() * tensor.element_size() for tensor in helper.model.parameters())

    def run(self, inputs: dict[str, Any], seed: int, keep: Path, report: Report, addons: Addons = NO_ADDONS) -> Words:
        """See ``Runner.run``; ``inputs`` as ``models.tools.CAPTION`` has them."""
        image = pictures.open_picture(inputs["image"]).image
        report.stage("running")
        length, question = str(inputs.get("length") or "detailed"), str(inputs.get("question") or "").strip()
        with oom_as("run", self._plan.device), torch.inference_mode():
            text = self._said(image, length, question, report)
        if not text:
            raise AtelierError(ErrorCode.RESULT_BROKEN, "the model said nothing", what="no words")
        return Words(text)

    def close(self) -> None:
        self._helper = None
        devices.release(self._plan.device)

    def _said(self, image: Image.Image, length: str, question: str, report: Report) -> str:
        assert self._helper is not None
        model, processor = self._helper.model, self._helper.processor
        most = _TOKENS[length]
        given, prompted = self._prepared(image, length, question)
        watch = _Watch(report, most)
        made = model.generate(
            **given, max_new_tokens=most, do_sample=False, num_beams=1, stopping_criteria=[watch]
        )  # fmt: skip
        report.step(most, most)
        if prompted:
            made = made[:, given["input_ids"].shape[1] :]
        kind = model.config.model_type
        text = str(processor.batch_decode(made, skip_special_tokens=kind != "florence2")[0])
        return _tidied(text)

    def _prepared(self, image: Image.Image, length: str, question: str) -> tuple[Any, bool]:
        """What the model is given, and whether its answer repeats the question."""
        assert self._helper is not None
        model, processor = self._helper.model, self._helper.processor
        kind = model.config.model_type
        prompted = False
        if kind == "florence2":
            given = processor(images=image, text=_FLORENCE[length], return_tensors="pt")
        elif getattr(processor, "chat_template", None):
            content = [{"type": "image"}, {"type": "text", "text": question or _ASKED[length]}]
            asked = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
            given, prompted = processor(images=[image], text=asked, return_tensors="pt"), True
        elif question and kind in ("blip-2", "instructblip"):
            given = processor(images=image, text=f"Question: {question} Answer:", return_tensors="pt")
        else:
            given = processor(images=image, return_tensors="pt")
        return given.to(model.device, model.dtype), prompted


class _Watch(StoppingCriteria):  # type: ignore[misc]
    """Counts words as they come, and lets a job be cancelled between two."""

    def __init__(self, report: Report, most: int) -> None:
        self._report, self._most, self._done = report, most, 0

    def __call__(self, input_ids: Any, scores: Any, **options: Any) -> Any:
        faults.hit("word")
        self._report.checkpoint()
        self._done += 1
        self._report.step(min(self._done, self._most), self._most)
        return torch.zeros(input_ids.shape[0], dtype=torch.bool, device=input_ids.device)


def _tidied(text: str) -> str:
    """Without marks of the model's own (places as ``<loc_12>``, too) and doubled spaces."""
    text = re.sub(r"</?s>|<pad>|<unk>|<[A-Z_]+>|<(loc|time)_[^<>]*>|</?(poly|od|ocr|proposal|image)>", " ", text)
    return re.sub(r"\s+", " ", text).strip()
