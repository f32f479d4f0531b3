"""Texts as other tools write them, after their public documentation and sources; what is unconfirmed says so."""

from __future__ import annotations

import json
from typing import Any

A1111 = (
    "a red apple, (detailed:1.2) <lora:ink-style:0.8>\non a table\n"
    "Negative prompt: blurry, low quality\nEasyNegative\n"
    "Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 2966098153, Size: 512x768, "
    "Model hash: 6ce0161689, Model: v1-5-pruned-emaonly, VAE hash: 735e4c3a44, VAE: vae-ft-mse.safetensors, "
    "Denoising strength: 0.4, Clip skip: 2, Hires upscale: 2, Hires steps: 10, Hires upscaler: 4x-UltraSharp, "
    'Lora hashes: "ink-style: 1234567890ab", TI hashes: "EasyNegative: c74b4e810b03", '
    'ControlNet 0: "Module: canny, Model: control_v11p [d14c016b], Weight: 1", Version: v1.10.1'
)
A1111_OLD = "an apple\nSteps: 30, Sampler: Euler a, CFG scale: 7.5, Seed: 5, Size: 512x512, Model hash: 7460a6fa"
FORGE_FLUX = (
    "a cat\nSteps: 20, Sampler: Euler, Schedule type: Simple, CFG scale: 1, Distilled CFG Scale: 3.5, Seed: 7, "
    "Size: 896x1152, Model hash: fef37763b8, Model: flux1-dev-bnb-nf4-v2, Version: f2.0.1v1.10.1-previous-659"
)
SDNEXT = (
    "a tree\nNegative prompt: dark\nSteps: 25, Size: 1024x1024, Sampler: UniPC, Seed: 11, CFG scale: 6, "
    "Model: sd_xl_base_1.0, Model hash: 31e35c80fc, App: SD.Next, Version: 0b1f2a8, Pipeline: "
    "StableDiffusionXLPipeline, Operations: txt2img"
)
CIVITAI = (
    "a dog\nSteps: 28, Sampler: Euler a, CFG scale: 5, Seed: 99, Size: 832x1216, Clip skip: 2, "
    "Created Date: 2025-01-01T00:00:00Z, Civitai resources: "
    '[{"type":"checkpoint","modelVersionId":1,"modelName":"Pony","modelVersionName":"v6"}], Civitai metadata: {}'
)

COMFY: dict[str, Any] = {
    "3": {"class_type": "KSampler", "inputs": {
        "seed": 156680208700286, "steps": 20, "cfg": 8.0, "sampler_name": "dpmpp_2m", "scheduler": "karras",
        "denoise": 1.0, "model": ["11", 0], "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["5", 0]}},
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd\\v1-5.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 768, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a bottle, embedding:easy", "clip": ["11", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "text, watermark", "clip": ["11", 1]}},
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
    "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "ComfyUI", "images": ["8", 0]}},
    "10": {"class_type": "LoraLoader", "inputs": {
        "lora_name": "one.safetensors", "strength_model": 0.5, "strength_clip": 1.0, "model": ["4", 0],
        "clip": ["4", 1]}},
    "11": {"class_type": "LoraLoader", "inputs": {
        "lora_name": "two.safetensors", "strength_model": 0.7, "strength_clip": 1.0, "model": ["10", 0],
        "clip": ["10", 1]}},
}  # fmt: skip

COMFY_FLUX: dict[str, Any] = {
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": ["40", 0], "clip": ["11", 0]}},
    "40": {"class_type": "PrimitiveStringMultiline", "inputs": {"value": "a fox in the snow"}},
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["13", 0], "vae": ["10", 0]}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["8", 0]}},
    "10": {"class_type": "VAELoader", "inputs": {"vae_name": "ae.safetensors"}},
    "11": {"class_type": "DualCLIPLoader", "inputs": {"clip_name1": "t5xxl.safetensors", "clip_name2": "clip_l"}},
    "12": {"class_type": "UNETLoader", "inputs": {"unet_name": "flux1-dev.safetensors", "weight_dtype": "default"}},
    "13": {"class_type": "SamplerCustomAdvanced", "inputs": {
        "noise": ["25", 0], "guider": ["22", 0], "sampler": ["16", 0], "sigmas": ["17", 0],
        "latent_image": ["27", 0]}},
    "16": {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "euler"}},
    "17": {"class_type": "BasicScheduler", "inputs": {
        "scheduler": "simple", "steps": 24, "denoise": 1.0, "model": ["30", 0]}},
    "22": {"class_type": "BasicGuider", "inputs": {"model": ["30", 0], "conditioning": ["26", 0]}},
    "25": {"class_type": "RandomNoise", "inputs": {"noise_seed": 219670278747233}},
    "26": {"class_type": "FluxGuidance", "inputs": {"guidance": 3.5, "conditioning": ["6", 0]}},
    "27": {"class_type": "EmptySD3LatentImage", "inputs": {"width": 1024, "height": 1536, "batch_size": 1}},
    "30": {"class_type": "LoraLoaderModelOnly", "inputs": {
        "lora_name": "flux/realism.safetensors", "strength_model": 0.9, "model": ["12", 0]}},
}  # fmt: skip

COMFY_TWO_PASSES: dict[str, Any] = {
    **{key: node for key, node in COMFY.items() if key not in ("8", "9")},
    "20": {"class_type": "LatentUpscaleBy", "inputs": {
        "samples": ["3", 0], "upscale_method": "bislerp", "scale_by": 1.5}},
    "21": {"class_type": "KSampler", "inputs": {
        "seed": 1, "steps": 12, "cfg": 8.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 0.55,
        "model": ["11", 0], "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["20", 0]}},
    "22": {"class_type": "VAEDecode", "inputs": {"samples": ["21", 0], "vae": ["4", 2]}},
    "23": {"class_type": "SaveImage", "inputs": {"images": ["22", 0]}},
}  # fmt: skip

COMFY_EFFICIENT: dict[str, Any] = {
    "1": {"class_type": "Efficient Loader", "inputs": {
        "ckpt_name": "dream.safetensors", "vae_name": "Baked VAE", "clip_skip": -2, "lora_name": "ink.safetensors",
        "lora_model_strength": 0.6, "lora_clip_strength": 1.0, "positive": "a knight", "negative": "bad",
        "empty_latent_width": 640, "empty_latent_height": 896, "batch_size": 1}},
    "2": {"class_type": "KSampler (Efficient)", "inputs": {
        "seed": 42, "steps": 18, "cfg": 6.5, "sampler_name": "euler_ancestral", "scheduler": "normal", "denoise": 1.0,
        "model": ["1", 0], "positive": ["1", 1], "negative": ["1", 2], "latent_image": ["1", 3]}},
    "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 5]}},
}  # fmt: skip

COMFY_WORKFLOW: dict[str, Any] = {
    "nodes": [
        {"id": 3, "type": "KSampler", "mode": 0, "inputs": [
            {"name": "model", "type": "MODEL", "link": 1}, {"name": "positive", "type": "CONDITIONING", "link": 4},
            {"name": "negative", "type": "CONDITIONING", "link": 6},
            {"name": "latent_image", "type": "LATENT", "link": 2}],
         "widgets_values": [8566257, "randomize", 22, 7.5, "uni_pc", "normal", 1]},
        {"id": 4, "type": "CheckpointLoaderSimple", "widgets_values": ["base.ckpt"]},
        {"id": 12, "type": "LoraLoader", "mode": 4, "inputs": [
            {"name": "model", "type": "MODEL", "link": 10}, {"name": "clip", "type": "CLIP", "link": 11}],
         "widgets_values": ["bypassed.safetensors", 1, 1]},
        {"id": 5, "type": "EmptyLatentImage", "widgets_values": [768, 512, 1]},
        {"id": 6, "type": "CLIPTextEncode", "inputs": [{"name": "clip", "type": "CLIP", "link": 3}],
         "widgets_values": ["a lighthouse"]},
        {"id": 7, "type": "CLIPTextEncode", "inputs": [{"name": "clip", "type": "CLIP", "link": 5}],
         "widgets_values": ["fog"]},
        {"id": 8, "type": "VAEDecode", "inputs": [{"name": "samples", "type": "LATENT", "link": 7}]},
        {"id": 9, "type": "SaveImage", "inputs": [{"name": "images", "type": "IMAGE", "link": 9}],
         "widgets_values": ["ComfyUI"]},
    ],
    "links": [
        [10, 4, 0, 12, 0, "MODEL"], [11, 4, 1, 12, 1, "CLIP"], [1, 12, 0, 3, 0, "MODEL"], [2, 5, 0, 3, 3, "LATENT"],
        [3, 4, 1, 6, 0, "CLIP"], [4, 6, 0, 3, 1, "CONDITIONING"], [5, 4, 1, 7, 0, "CLIP"],
        [6, 7, 0, 3, 2, "CONDITIONING"], [7, 3, 0, 8, 0, "LATENT"], [9, 8, 0, 9, 0, "IMAGE"],
    ],
    "version": 0.4,
}  # fmt: skip

INVOKE = {
    "app_version": "5.4.2", "generation_mode": "sdxl_txt2img", "positive_prompt": "landscape",
    "negative_prompt": "low quality", "positive_style_prompt": "", "width": 1024, "height": 768, "seed": 356120443,
    "rand_device": "cpu", "cfg_scale": 7.5, "steps": 50, "scheduler": "dpmpp_2m_sde_k", "clip_skip": 0,
    "model": {"key": "k", "hash": "blake3:ab12", "name": "Juggernaut XL v9", "base": "sdxl", "type": "main"},
    "controlnets": [{"control_weight": 1}], "loras": [
        {"model": {"key": "l", "hash": "blake3:cd", "name": "add-detail", "base": "sdxl", "type": "lora"},
         "weight": 0.75}],
    "vae": {"name": "sdxl-vae-fp16-fix"},
}  # fmt: skip
INVOKE_3 = {
    "app_version": "3.3.0post3", "positive_prompt": "a hill", "negative_prompt": "", "width": 768, "height": 432,
    "seed": 340088185, "cfg_scale": 7.5, "steps": 30, "scheduler": "euler_a",
    "model": {"model_name": "amixx", "base_model": "sd-1", "model_type": "main"},
    "loras": [{"lora": {"model_name": "ink", "base_model": "sd-1"}, "weight": 0.5}],
}  # fmt: skip
INVOKE_2 = {
    "model": "stable diffusion", "model_weights": "stable-diffusion-1.5", "model_hash": "cc6cb27103417325",
    "app_id": "invoke-ai/InvokeAI", "app_version": "2.3.5", "image": {
        "prompt": [{"prompt": "a church [fog, rain]", "weight": 1.0}], "steps": 40, "cfg_scale": 7.0,
        "sampler": "k_lms",
        "seed": 123, "width": 512, "height": 640, "type": "txt2img"},
}  # fmt: skip
DREAM = '"a church [fog]" -s 50 -S 3512 -W 512 -H 704 -C 7.5 -A k_euler_a'

FOOOCUS = {
    "base_model": "juggernautXL_v8Rundiffusion", "base_model_hash": "aeb7e9e689",
    "full_negative_prompt": ["..."], "full_prompt": ["..."], "guidance_scale": 4,
    "loras": [["sd_xl_offset_example-lora_1.0", 0.1, "4852686128"]], "metadata_scheme": "fooocus",
    "negative_prompt": "gloom", "performance": "Speed", "prompt": "A sunflower field", "refiner_model": "None",
    "refiner_switch": 0.5, "resolution": "(512, 768)", "sampler": "dpmpp_2m_sde_gpu", "scheduler": "karras",
    "seed": "127589946317439009", "sharpness": 2, "steps": 30, "styles": "['Fooocus V2']", "vae": "Default (model)",
    "version": "Fooocus v2.5.5",
}  # fmt: skip
NOVELAI = {
    "Title": "AI generated image", "Software": "NovelAI", "Source": "NovelAI Diffusion V4 37442FCA",
    "Description": "1girl, garden",
    "Comment": json.dumps({
        "prompt": "1girl, garden", "steps": 28, "height": 1216, "width": 832, "scale": 5.5, "seed": 3232910467,
        "sampler": "k_euler_ancestral", "noise_schedule": "karras", "uc": "lowres", "version": 1,
        "request_type": "PromptGenerateRequest",
        "v4_prompt": {"caption": {"base_caption": "1girl, garden", "char_captions": [
            {"char_caption": "girl, red hair", "centers": []}]}}}),
}  # fmt: skip
DRAW_THINGS = {  # after descriptions by others
    "c": "a red cube", "uc": "blue", "model": "sd_v1.5_f16.ckpt", "sampler": "Euler A", "scale": 4.5,
    "seed": 2441935286, "size": "640x384", "steps": 8, "strength": 1, "seed_mode": "Scale Alike",
    "v2": {"loras": [{"file": "detail.ckpt", "weight": 0.8}], "clipSkip": 1},
}  # fmt: skip
DRAW_THINGS_XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 6.0.0"><rdf:RDF '
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
    'xmlns:exif="http://ns.adobe.com/exif/1.0/"><dc:description><rdf:Alt><rdf:li xml:lang="x-default">a red cube'
    "&#xA;-blue&#xA;Steps: 8</rdf:li></rdf:Alt></dc:description><xmp:CreatorTool>Draw Things</xmp:CreatorTool>"
    '<exif:UserComment><rdf:Alt><rdf:li xml:lang="x-default">'
    + json.dumps(DRAW_THINGS).replace("&", "&amp;").replace("<", "&lt;")
    + "</rdf:li></rdf:Alt></exif:UserComment></rdf:Description></rdf:RDF></x:xmpmeta>"
)
EASY = {  # after its source
    "prompt": "a ship", "negative_prompt": "storm", "seed": "77", "use_stable_diffusion_model": "/models/sd-v1-5",
    "clip_skip": "True", "sampler_name": "euler_a", "width": "512", "height": "512", "num_inference_steps": "25",
    "guidance_scale": "7.5", "use_lora_model": "['ink', 'paper']", "lora_alpha": "[0.5, 0.7]",
}  # fmt: skip
SWARM = {"sui_image_params": {
    "prompt": "a face", "model": "Flux/flux1-dev-fp8", "seed": 2042464333, "steps": 25, "cfgscale": 1.0,
    "width": 512, "height": 768, "sampler": "euler", "scheduler": "normal", "negativeprompt": "",
    "swarm_version": "0.9.1.1", "loras": ["realism"], "loraweights": ["0.8"]}}  # fmt: skip
