"""Schemas of pipelines, from the table and hand-written component configs."""

from __future__ import annotations

from typing import Any

import pytest

from models import canvas
from models.box import BoxSchema
from models.errors import AtelierError, ErrorCode, InvalidInputError
from models.inputs import Kind
from models.pipelines import Task, row, table
from models.schemas import schema_for

KL = {"_class_name": "AutoencoderKL", "block_out_channels": [128, 256, 512, 512]}
PNDM = {"_class_name": "PNDMScheduler"}
FLOW = {"_class_name": "FlowMatchEulerDiscreteScheduler", "use_dynamic_shifting": True}
SD: dict[str, Any] = {"vae": KL, "unet": {"sample_size": 64}, "scheduler": PNDM}
FLUX: dict[str, Any] = {"vae": KL, "transformer": {"patch_size": 1, "guidance_embeds": True}, "scheduler": FLOW}


def size(schema: BoxSchema) -> tuple[Any, Any]:
    return schema["width"].default, schema["height"].default


def test_stable_diffusion() -> None:
    schema = schema_for("StableDiffusionPipeline", SD)
    assert tuple(name for name in schema.names if name not in canvas.NAMES and not schema[name].about.group) == (
        "prompt",
        "negative_prompt",
        "width",
        "height",
        "steps",
        "guidance_scale",
        "scheduler",
        "seed",
        "guidance_rescale",
        "eta",
        "vae",
        "clip_skip",
    )
    assert size(schema) == (512, 512)
    assert schema["width"].about.multiple_of == 8
    assert (schema["steps"].default, schema["guidance_scale"].default) == (50, 7.5)
    assert schema["prompt"].required
    assert schema["seed"].kind is Kind.SEED
    assert schema["guidance_scale"].title == "Guidance"
    assert "CFG" in schema["guidance_scale"].about.description
    assert {"ddim", "dpmpp_2m_karras", "euler_a", "unipc", "lcm"} < set(schema["scheduler"].about.choices)
    assert schema["scheduler"].default == "default"


def test_flux_takes_flow_schedulers_only_and_packs_latents() -> None:
    schema = schema_for("FluxPipeline", FLUX)
    assert size(schema) == (1024, 1024)
    assert schema["width"].about.multiple_of == 16
    assert schema["scheduler"].about.choices == ("default", "euler", "unipc", "lcm")
    assert schema["true_cfg_scale"].about.advanced
    assert not schema["guidance_scale"].about.advanced
    assert (schema["max_sequence_length"].default, schema["max_sequence_length"].about.le) == (512, 512)


def test_a_model_without_distilled_guidance_offers_no_slider_that_does_nothing() -> None:
    schnell = {**FLUX, "transformer": {"patch_size": 1, "guidance_embeds": False}}
    schema = schema_for("FluxPipeline", schnell)
    assert "guidance_scale" not in schema
    assert "true_cfg_scale" in schema


def test_qwen_image_has_one_guidance() -> None:
    vae = {"_class_name": "AutoencoderKLQwenImage", "temperal_downsample": [False, True, True]}
    schema = schema_for("QwenImagePipeline", {"vae": vae, "transformer": {"patch_size": 2}, "scheduler": FLOW})
    assert "guidance_scale" not in schema
    assert (schema["true_cfg_scale"].default, schema["true_cfg_scale"].about.advanced) == (4.0, False)
    assert schema["width"].about.multiple_of == 16


def test_schedulers_that_refuse_given_noise_levels_only_where_none_are_given() -> None:
    flow = {"_class_name": "FlowMatchEulerDiscreteScheduler"}
    schema = schema_for("StableDiffusion3Pipeline", {"scheduler": flow, "transformer": {"sample_size": 128}})
    assert {"heun", "dpmpp_2m"} < set(schema["scheduler"].about.choices)
    assert "ddim" not in schema["scheduler"].about.choices


def test_an_unknown_scheduler_is_left_alone() -> None:
    assert "scheduler" not in schema_for("StableDiffusionPipeline", {"scheduler": {"_class_name": "OddScheduler"}})
    assert "scheduler" not in schema_for("SanaSprintPipeline", {"scheduler": {"_class_name": "SCMScheduler"}})


def test_sizes_by_family() -> None:
    deep = {"_class_name": "AutoencoderDC", "encoder_block_out_channels": [1, 2, 3, 4, 5, 6]}
    sana = schema_for("SanaPipeline", {"vae": deep, "transformer": {"patch_size": 1, "sample_size": 32}})
    assert (size(sana), sana["width"].about.multiple_of) == ((1024, 1024), 32)
    pixart = schema_for("PixArtAlphaPipeline", {"vae": KL, "transformer": {"patch_size": 2, "sample_size": 64}})
    assert (size(pixart), pixart["width"].about.multiple_of) == ((512, 512), 16)
    assert (pixart["width"].about.ge, pixart["width"].about.le) == (64, 4096)
    oblong = schema_for("StableDiffusionPipeline", {"vae": KL, "unet": {"sample_size": [64, 96]}})
    assert size(oblong) == (768, 512)


def test_where_one_step_fails_two_are_asked_for() -> None:
    stretched = {**FLOW, "shift_terminal": 0.02}
    assert schema_for("QwenImagePipeline", {"scheduler": stretched})["steps"].about.ge == 2
    assert schema_for("FluxPipeline", FLUX)["steps"].about.ge == 1
    assert schema_for("PixArtAlphaPipeline", {"scheduler": PNDM})["steps"].about.ge == 2
    assert schema_for("PixArtAlphaPipeline", {"scheduler": {"_class_name": "LCMScheduler"}})["steps"].about.ge == 1


def test_a_small_model_has_small_bounds() -> None:
    vae = {"_class_name": "AutoencoderTiny", "block_out_channels": [64, 64, 64]}
    schema = schema_for("StableDiffusionPipeline", {"vae": vae, "unet": {"sample_size": 16}})
    assert size(schema) == (64, 64)
    about = schema["width"].about
    assert (about.ge, about.le, about.multiple_of) == (32, 256, 8)


def test_recommendations_are_taken_where_the_schema_allows_them() -> None:
    good = {"steps": 20, "guidance_scale": 4.0, "width": 768, "height": 512, "scheduler": "euler_a"}
    schema = schema_for("StableDiffusionPipeline", SD, good)
    assert {name: schema[name].default for name in good} == good
    bad = {"steps": 0, "guidance_scale": "strong", "width": 769, "scheduler": "best", "seed": 3, "colour": "red"}
    schema = schema_for("StableDiffusionPipeline", SD, bad)
    assert (schema["steps"].default, schema["guidance_scale"].default, schema["width"].default) == (50, 7.5, 512)
    assert (schema["scheduler"].default, schema["seed"].default) == ("default", None)


@pytest.mark.parametrize("name", ["StableDiffusionImg2ImgPipeline", "WanPipeline", "DiTPipeline", "Nonsense"])
def test_what_does_not_make_a_picture_from_words_is_refused(name: str) -> None:
    with pytest.raises(AtelierError) as caught:
        schema_for(name, {}, model="my model")
    assert caught.value.code is ErrorCode.MODEL_UNSUPPORTED
    assert caught.value.info.facts == {"model": "my model", "pipeline": name}


def test_validation_names_the_input() -> None:
    schema = schema_for("StableDiffusionPipeline", SD)
    with pytest.raises(InvalidInputError) as caught:
        schema.validate({"prompt": "a cat", "width": 500, "scheduler": "best"})
    assert {problem.name for problem in caught.value.info.problems} == {"width", "scheduler"}


def test_every_text_to_image_pipeline_has_a_schema_with_valid_defaults() -> None:
    for entry in table().rows:
        if entry.task is not Task.TEXT_TO_IMAGE or set(entry.required) - {"prompt"}:
            continue
        schema = schema_for(entry.name, {})
        values = schema.validate({"prompt": "a cat"})
        found = row(entry.name)
        assert found is not None
        takes = {"steps", "scheduler", *found.inputs} - {"num_inference_steps"}
        own = {name for name in values if not schema[name].about.group}
        assert own - {"seed", *canvas.NAMES} <= takes, entry.name
