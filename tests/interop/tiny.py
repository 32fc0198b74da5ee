"""Pipelines of diffusers, tiny and random, one a family, and what they make of given noise."""

from __future__ import annotations

import string
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DDPMPipeline,
    DDPMScheduler,
    DiTPipeline,
    DiTTransformer2DModel,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    PixArtAlphaPipeline,
    PixArtTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
    UNet2DModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

LETTERS = string.ascii_lowercase + string.digits + ".,-'"
WIDTH = 32


def clip_tokenizer() -> CLIPTokenizer:
    """One token a letter, as CLIP's begins and ends."""
    marks = ["<|startoftext|>", "<|endoftext|>"]
    words = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), *marks]
    return CLIPTokenizer(vocab={word: k for k, word in enumerate(words)}, merges=[], model_max_length=16)


def t5_tokenizer() -> T5Tokenizer:
    """One token a letter, as T5's ends."""
    words = [
        ("<pad>", 0.0),
        ("</s>", 0.0),
        ("<unk>", 0.0),
        ("▁", -2.0),
        *((letter, -3.0) for letter in LETTERS),
    ]
    return T5Tokenizer(vocab=words, extra_ids=0)


def clip(projection: int | None = None, **options: Any) -> Any:
    vocabulary = len(clip_tokenizer())
    config = CLIPTextConfig(
        vocab_size=vocabulary, hidden_size=WIDTH, intermediate_size=37, num_hidden_layers=3, num_attention_heads=4,
        max_position_embeddings=16, bos_token_id=vocabulary - 2, eos_token_id=vocabulary - 1, pad_token_id=1,
        projection_dim=projection or WIDTH, **options,
    )  # fmt: skip
    return drawn((CLIPTextModelWithProjection if projection else CLIPTextModel)(config))


def t5(width: int = WIDTH) -> Any:
    config = T5Config(vocab_size=64, d_model=width, d_ff=37, num_layers=2, num_heads=4, d_kv=8)
    return drawn(T5EncoderModel(config))


def autoencoder(latents: int = 4, **options: Any) -> Any:
    return drawn(
        AutoencoderKL(
            block_out_channels=(8, 16), down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2, latent_channels=latents, norm_num_groups=4, sample_size=64,
            **options,
        )
    )  # fmt: skip


def drawn(module: Any, seed: int = 0) -> Any:
    """Every weight drawn, gates and biases that start at zero too, so that everything a network is told counts."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in module.named_parameters():
            noise = torch.randn(value.shape, generator=generator)
            if value.ndim >= 2:
                value.copy_(noise / value[0].numel() ** 0.5)
            elif name.endswith("bias"):
                value.copy_(0.1 * noise)
    return module.eval()


def unet(**options: Any) -> Any:
    shape = {
        "block_out_channels": (8, 16), "layers_per_block": 1, "sample_size": 16, "cross_attention_dim": WIDTH,
        "norm_num_groups": 4, "attention_head_dim": 2, "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    }  # fmt: skip
    return drawn(UNet2DConditionModel(**{**shape, **options}))


SCALED = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def stable_diffusion() -> Any:
    """1.5's own conventions: it ends at timestep 0 and not in clean data."""
    scheduler = DDIMScheduler(**SCALED, clip_sample=False, set_alpha_to_one=False, steps_offset=1)
    return _stable_diffusion(scheduler)


def stable_diffusion_2() -> Any:
    """2.1's, in the form of its zero terminal SNR: v from pure noise on."""
    scheduler = DDIMScheduler(
        **SCALED, clip_sample=False, prediction_type="v_prediction", rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
    )  # fmt: skip
    return _stable_diffusion(scheduler, use_linear_projection=True)


def _stable_diffusion(scheduler: Any, **options: Any) -> Any:
    return StableDiffusionPipeline(
        vae=autoencoder(), text_encoder=clip(), tokenizer=clip_tokenizer(), unet=unet(**options),
        scheduler=scheduler, safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip


def stable_diffusion_xl() -> Any:
    network = unet(
        addition_embed_type="text_time", addition_time_embed_dim=8, transformer_layers_per_block=(1, 2),
        projection_class_embeddings_input_dim=WIDTH + 6 * 8, cross_attention_dim=2 * WIDTH, use_linear_projection=True,
    )  # fmt: skip
    scheduler = EulerDiscreteScheduler(**SCALED, timestep_spacing="leading", steps_offset=1)
    return StableDiffusionXLPipeline(
        vae=autoencoder(), text_encoder=clip(), text_encoder_2=clip(WIDTH, hidden_act="gelu"),
        tokenizer=clip_tokenizer(), tokenizer_2=clip_tokenizer(), unet=network, scheduler=scheduler,
        add_watermarker=False,
    )  # fmt: skip


def stable_diffusion_3(third: bool = True) -> Any:
    transformer = drawn(
        SD3Transformer2DModel(
            sample_size=16, patch_size=2, in_channels=4, num_layers=2, attention_head_dim=8, num_attention_heads=4,
            caption_projection_dim=32, joint_attention_dim=2 * WIDTH + 8, pooled_projection_dim=2 * WIDTH,
            out_channels=4, pos_embed_max_size=32,
        )
    )  # fmt: skip
    return StableDiffusion3Pipeline(
        transformer=transformer, scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=autoencoder(shift_factor=0.06, scaling_factor=1.5), text_encoder=clip(WIDTH), tokenizer=clip_tokenizer(),
        text_encoder_2=clip(WIDTH, hidden_act="gelu"), tokenizer_2=clip_tokenizer(),
        text_encoder_3=t5(2 * WIDTH + 8) if third else None, tokenizer_3=t5_tokenizer() if third else None,
    )  # fmt: skip


def stable_diffusion_3_without_t5() -> Any:
    return stable_diffusion_3(third=False)


def flux() -> Any:
    transformer = drawn(
        FluxTransformer2DModel(
            patch_size=1, in_channels=16, num_layers=1, num_single_layers=2, attention_head_dim=16,
            num_attention_heads=2, joint_attention_dim=WIDTH, pooled_projection_dim=WIDTH, guidance_embeds=True,
            axes_dims_rope=(4, 4, 8),
        )
    )  # fmt: skip
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True)
    return FluxPipeline(
        transformer=transformer, scheduler=scheduler, vae=autoencoder(shift_factor=0.1, scaling_factor=0.4),
        text_encoder=clip(), tokenizer=clip_tokenizer(), text_encoder_2=t5(), tokenizer_2=t5_tokenizer(),
    )  # fmt: skip


def pixart(**options: Any) -> Any:
    transformer = drawn(
        PixArtTransformer2DModel(
            **{"sample_size": 16, **options}, patch_size=2, num_layers=2, num_attention_heads=2, attention_head_dim=12,
            in_channels=4, out_channels=8, cross_attention_dim=24, num_embeds_ada_norm=1000, caption_channels=WIDTH,
            norm_num_groups=4,
        )
    )  # fmt: skip
    return PixArtAlphaPipeline(
        transformer=transformer, scheduler=DPMSolverMultistepScheduler(), vae=autoencoder(), text_encoder=t5(),
        tokenizer=t5_tokenizer(),
    )  # fmt: skip


def pixart_1024() -> Any:
    """With the micro-conditions that a latent side of 128 stands for."""
    return pixart(sample_size=128)


def dit() -> Any:
    transformer = drawn(
        DiTTransformer2DModel(
            sample_size=16, patch_size=2, num_layers=2, num_attention_heads=2, attention_head_dim=8, in_channels=4,
            out_channels=8, norm_num_groups=4,
        )
    )  # fmt: skip
    return DiTPipeline(transformer, autoencoder(), DDIMScheduler(clip_sample=False))


def unconditional() -> Any:
    network = drawn(
        UNet2DModel(
            sample_size=16, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4,
            down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"),
            attention_head_dim=4,
        )
    )  # fmt: skip
    return DDPMPipeline(network, DDPMScheduler())
