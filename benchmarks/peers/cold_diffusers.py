"""The shortest diffusers script from a saved DiT pipeline to a picture file: python cold_diffusers.py FOLDER FILE."""

import sys

import torch
from diffusers import DiTPipeline  # pyright: ignore[reportPrivateImportUsage]

pipe = DiTPipeline.from_pretrained(sys.argv[1], torch_dtype=torch.bfloat16)
pipe([1], num_inference_steps=20).images[0].save(sys.argv[2])  # pyright: ignore[reportAttributeAccessIssue]
