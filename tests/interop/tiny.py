"""Pipelines of diffusers, tiny and random, one a family, and what they make of given noise."""

from __future__ import annotations

import string
from collections.abc import Callable
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
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
    return CLIPTokenizer(
        vocab={word: k for k, word in enumerate(words)}, merges=[], model_max_length=16
    )


def t5_tokenizer() -> T5Tokenizer:
    """One token a letter, as T5's ends."""
    words = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), *((letter, -3.0) for letter in LETTERS)]
    return T5Tokenizer(vocab=words, extra_ids=0)


def clip(projection: int | None = None, **options: Any) -> Any:
    vocabulary = len(clip_tokenizer())
    config = CLIPTextConfig(
        vocab_size=vocabulary, hidden_size=WIDTH, intermediate_size=37, num_hidden_layers=3, num_attention_heads=4,
        max_position_embeddings=16, bos_token_id=vocabulary - 2, eos_token_id=vocabulary - 1, pad_token_id=1,
        projection_dim=projection or WIDTH, **options,
    )  # fmt: skip
    return drawn((CLIPTextModelWithProjection if projection else CLIPTextModel)(config))


def t5() -> Any:
    config = T5Config(vocab_size=64, d_model=WIDTH, d_ff=37, num_layers=2, num_heads=4, d_kv=8)
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


