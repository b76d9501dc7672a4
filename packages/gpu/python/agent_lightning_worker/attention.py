"""Attention over packed sequences: each attends causally to itself alone, and no mask of total × total is made.

transformers finds packed sequences by itself, but then builds that mask, which costs memory quadratic in the token budget
and the fast kernel. Here every sequence is one causal call of `scaled_dot_product_attention`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

PACKED_ATTENTION = "agent_lightning_packed"

# Not a thread-local: the recomputation of checkpointed layers runs in autograd's own threads.
_lengths: list[int] | None = None


@contextmanager
def packed(lengths: list[int] | None) -> Iterator[None]:
    """Within it, a batch of one row is the concatenation of sequences of these lengths (tokens)."""
    global _lengths
    before, _lengths = _lengths, lengths
    try:
        yield
    finally:
        _lengths = before


def _attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    sliding_window: int | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """query (B, heads, L, D), key and value (B, key heads, L', D) → (B, L, heads, D)"""
    if unknown := [name for name in ("softcap", "s_aux", "position_bias") if options.get(name) is not None]:
        raise NotImplementedError(f"attention with {', '.join(unknown)}")  # the check at load then chooses another way
    if _lengths is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    pieces = [
        sdpa_attention_forward(module, q, k, v, _window_mask(q, sliding_window), **options)[0]
        for q, k, v in zip(query.split(_lengths, 2), key.split(_lengths, 2), value.split(_lengths, 2), strict=True)
    ]
    return torch.cat(pieces, dim=1), None


def _window_mask(query: Tensor, window: int | None) -> Tensor | None:
    """Which keys a query sees through a sliding window; None where plain causality says it."""
    length = query.shape[2]
    if window is None or length <= window:
        return None
    distance = torch.arange(length, device=query.device)[:, None] - torch.arange(length, device=query.device)[None, :]
    return ((distance >= 0) & (distance < window))[None, None]


def _mask(*args: Any, **options: Any) -> Tensor | None:
    return None if _lengths is not None else sdpa_mask(*args, **options)


def register() -> None:
    """Makes `PACKED_ATTENTION` an attention implementation of transformers."""
    AttentionInterface.register(PACKED_ATTENTION, _attention)
    AttentionMaskInterface.register(PACKED_ATTENTION, _mask)
