"""What the shapes of a Stable Diffusion checkpoint do not say: pipelines, schedulers, scaling, padding.

The values are those of the families' published configurations (model cards of stable-diffusion-v1-5, stabilityai's
stable-diffusion-2-1, stable-diffusion-xl-base-1.0 and -refiner-1.0).
"""

from __future__ import annotations

from typing import Any

import msgspec

from models.singles.clip_words import END

_BETAS: dict[str, Any] = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "clip_sample": False,
    "timestep_spacing": "leading",
    "prediction_type": "epsilon",
}
_PNDM = {"_class_name": "PNDMScheduler", **_BETAS, "trained_betas": None}
_DDIM = {"_class_name": "DDIMScheduler", **_BETAS, "trained_betas": None}
_EULER: dict[str, Any] = {
    "_class_name": "EulerDiscreteScheduler",
    **{key: value for key, value in _BETAS.items() if key not in ("set_alpha_to_one", "skip_prk_steps", "clip_sample")},
    "interpolation_type": "linear",
    "use_karras_sigmas": False,
}


class Encoder(msgspec.Struct, frozen=True):
    """A CLIP text encoder of a family: its component's name, its tokenizer's, and where files hold it.

    ``places`` are pairs of prefix and layout. ``skip`` layers at the end are not used by the model (SD 2 reads the last
    but one, and diffusers leaves the last out). ``pad`` fills short prompts.
    """

    name: str
    tokenizer: str
    places: tuple[tuple[str, str], ...]
    class_name: str = "CLIPTextModel"
    skip: int = 0
    pad: str = END


class Template(msgspec.Struct, frozen=True):
    """A family: pipelines by variant, how its parts are configured beside what shapes tell.

    ``side`` is the picture size it was made for, in pixels; ``pooled`` how many of the numbers that go with the time
    step are the words' (SDXL), ``facts`` how many others there are (sizes and crops).
    """

    pipelines: dict[str, str]
    encoders: tuple[Encoder, ...]
    side: int
    scheduler: dict[str, Any]
    vae: dict[str, Any]
    unet: dict[str, Any] = {}
    index: dict[str, Any] = {}
    eight_heads: bool = False
    facts: int = 0


_CHECKED: dict[str, Any] = {
    "safety_checker": [None, None],
    "feature_extractor": [None, None],
    "image_encoder": [None, None],
    "requires_safety_checker": False,
}
_OPEN_CLIP_G = (("conditioner.embedders.1.model.", "open_clip"), ("text_encoders.clip_g.transformer.", "hf"))

TEMPLATES: dict[str, Template] = {
    "sd15": Template(
        pipelines={
            "": "StableDiffusionPipeline",
            "v-prediction": "StableDiffusionPipeline",
            "inpaint": "StableDiffusionInpaintPipeline",
            "edit": "StableDiffusionInstructPix2PixPipeline",
        },
        encoders=(
            Encoder(
                "text_encoder",
                "tokenizer",
                (("cond_stage_model.transformer.", "hf"), ("text_encoders.clip_l.transformer.", "hf")),
            ),
        ),
        side=512,
        scheduler=_PNDM,
        vae={"scaling_factor": 0.18215},
        index=_CHECKED,
        eight_heads=True,
    ),
    "sd2": Template(
        pipelines={
            "": "StableDiffusionPipeline",
            "v-prediction": "StableDiffusionPipeline",
            "inpaint": "StableDiffusionInpaintPipeline",
            "edit": "StableDiffusionInstructPix2PixPipeline",
        },
        encoders=(
            Encoder(
                "text_encoder",
                "tokenizer",
                (("cond_stage_model.model.", "open_clip"), ("text_encoders.clip_h.transformer.", "hf")),
                skip=1,
                pad="!",
            ),
        ),
        side=512,
        scheduler=_DDIM,
        vae={"scaling_factor": 0.18215},
        unet={"upcast_attention": True},
        index=_CHECKED,
    ),
    "sdxl": Template(
        pipelines={
            "": "StableDiffusionXLPipeline",
            "v-prediction": "StableDiffusionXLPipeline",
            "inpaint": "StableDiffusionXLInpaintPipeline",
            "edit": "StableDiffusionXLInstructPix2PixPipeline",
        },
        encoders=(
            Encoder(
                "text_encoder",
                "tokenizer",
                (("conditioner.embedders.0.transformer.", "hf"), ("text_encoders.clip_l.transformer.", "hf")),
            ),
            Encoder("text_encoder_2", "tokenizer_2", _OPEN_CLIP_G, "CLIPTextModelWithProjection", pad="!"),
        ),
        side=1024,
        scheduler=_EULER,
        vae={"scaling_factor": 0.13025, "force_upcast": True},
        index={"force_zeros_for_empty_prompt": True, "feature_extractor": [None, None], "image_encoder": [None, None]},
        facts=6,
    ),
    "sdxl-refiner": Template(
        pipelines={"": "StableDiffusionXLImg2ImgPipeline"},
        encoders=(
            Encoder(
                "text_encoder_2",
                "tokenizer_2",
                (("conditioner.embedders.0.model.", "open_clip"), ("text_encoders.clip_g.transformer.", "hf")),
                "CLIPTextModelWithProjection",
                pad="!",
            ),
        ),
        side=1024,
        scheduler=_EULER,
        vae={"scaling_factor": 0.13025, "force_upcast": True},
        index={
            "text_encoder": [None, None],
            "tokenizer": [None, None],
            "force_zeros_for_empty_prompt": False,
            "requires_aesthetics_score": True,
        },
        facts=5,
    ),
}
"""Families whose checkpoints hold everything that is needed to run them."""
