"""The checked-in pipeline table, read without diffusers."""

from __future__ import annotations

import subprocess
import sys

import pytest

from models.pipelines import Task, row, table


def test_an_unknown_class_has_no_row() -> None:
    assert row("NoSuchPipeline") is None


def test_names_are_unique_and_in_order() -> None:
    names = [entry.name for entry in table().rows]
    assert names == sorted(set(names))


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("StableDiffusionPipeline", Task.TEXT_TO_IMAGE),
        ("StableDiffusionXLPipeline", Task.TEXT_TO_IMAGE),
        ("StableDiffusion3Pipeline", Task.TEXT_TO_IMAGE),
        ("FluxPipeline", Task.TEXT_TO_IMAGE),
        ("Flux2Pipeline", Task.TEXT_TO_IMAGE),
        ("QwenImagePipeline", Task.TEXT_TO_IMAGE),
        ("ZImagePipeline", Task.TEXT_TO_IMAGE),
        ("PixArtAlphaPipeline", Task.TEXT_TO_IMAGE),
        ("SanaPipeline", Task.TEXT_TO_IMAGE),
        ("HunyuanDiTPipeline", Task.TEXT_TO_IMAGE),
        ("StableDiffusionImg2ImgPipeline", Task.IMAGE_TO_IMAGE),
        ("FluxImg2ImgPipeline", Task.IMAGE_TO_IMAGE),
        ("StableDiffusionXLInpaintPipeline", Task.INPAINT),
        ("FluxFillPipeline", Task.INPAINT),
        ("QwenImageEditPipeline", Task.EDIT),
        ("FluxKontextPipeline", Task.EDIT),
        ("StableDiffusionControlNetPipeline", Task.CONTROLNET),
        ("WanPipeline", Task.VIDEO),
        ("StableVideoDiffusionPipeline", Task.VIDEO),
        ("StableAudioPipeline", Task.AUDIO),
        ("StableDiffusionUpscalePipeline", Task.UPSCALE),
        ("MarigoldDepthPipeline", Task.OTHER),
    ],
)
def test_tasks(name: str, task: Task) -> None:
    found = row(name)
    assert found is not None
    assert found.task is task


def test_facts_of_a_row() -> None:
    sd, qwen, pixart = row("StableDiffusionPipeline"), row("QwenImagePipeline"), row("PixArtAlphaPipeline")
    assert sd is not None
    assert qwen is not None
    assert pixart is not None
    assert (sd.denoiser, sd.guidance, sd.negative_prompt) == ("unet", "guidance_scale", True)
    assert sd.defaults["num_inference_steps"] == 50
    assert sd.siblings["image-to-image"] == "StableDiffusionImg2ImgPipeline"
    assert sd.siblings["inpaint"] == "StableDiffusionInpaintPipeline"
    assert sd.siblings["controlnet"] == "StableDiffusionControlNetPipeline"
    assert (qwen.denoiser, qwen.guidance, qwen.own_sigmas) == ("transformer", "true_cfg_scale", True)
    assert (sd.step_callback, pixart.step_callback) == (True, False)
    assert (sd.interrupt, pixart.interrupt) == (True, False)
    assert not sd.deprecated


def test_siblings_exist_and_do_what_they_are_named_for() -> None:
    for entry in table().rows:
        for task, name in entry.siblings.items():
            other = row(name)
            assert other is not None
            assert other.task.value == task


def test_reading_the_table_is_light() -> None:
    code = (
        "import sys, models.schemas; models.schemas.schema_for('FluxPipeline', {});"
        "print(sorted({'torch', 'diffusers', 'transformers', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
