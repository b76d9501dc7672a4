"""The distribution that a token is drawn from, and the draw."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class SamplingParams:
    """`temperature` 0 is greedy; `top_k` −1 and `top_p` 1 keep every token. `stop_*` end a sequence and stay in it."""

    max_tokens: int
    temperature: float = 1.0
    top_k: int = -1
    top_p: float = 1.0
    seed: int = 0
    stop_texts: tuple[str, ...] = ()
    stop_tokens: frozenset[int] = frozenset()


def choose(
    logits: Tensor, params: Sequence[SamplingParams], uniforms: Sequence[float]
) -> tuple[list[int], list[float]]:
    """Draws one token for each row of `logits` (B, vocabulary) by inverting the cumulative distribution at `uniforms`.

    Returns tokens and their log-probabilities in nats under the distribution drawn from: after temperature, top-k and
    top-p, renormalised. A greedy row reports those of temperature 1.
    """
    temperatures = torch.tensor([row.temperature or 1.0 for row in params], device=logits.device)
    scaled = logits / temperatures[:, None]
    for index, row in enumerate(params):
        if row.temperature > 0:
            scaled[index] = _truncate(scaled[index], row.top_k, row.top_p)
    logprobs = torch.log_softmax(scaled, dim=-1)
    exact = logprobs.cpu() if logits.device.type == "mps" else logprobs  # mps has no float64
    cumulative = exact.double().exp().cumsum(-1)
    thresholds = torch.tensor(uniforms, dtype=torch.float64, device=exact.device)[:, None] * cumulative[:, -1:]
    drawn = torch.searchsorted(cumulative, thresholds, right=True)[:, 0].to(logits.device)
    greedy = torch.tensor([row.temperature == 0 for row in params], device=logits.device)
    tokens = torch.where(
        greedy, logits.argmax(-1), drawn.clamp(max=logits.shape[1] - 1)
    )  # beyond it where logits are NaN
    return tokens.tolist(), logprobs.gather(1, tokens[:, None])[:, 0].tolist()


def _truncate(logits: Tensor, top_k: int, top_p: float) -> Tensor:
    """Keeps the `top_k` likeliest tokens, then the fewest of these that hold `top_p` of the probability. (vocabulary,)"""
    if 0 < top_k < len(logits):
        logits = logits.masked_fill(logits < logits.topk(top_k).values[-1], float("-inf"))
    if top_p < 1:
        order = logits.argsort(descending=True, stable=True)
        probabilities = torch.softmax(logits[order], dim=-1)
        surplus = order[probabilities.cumsum(-1) - probabilities >= top_p]
        logits = logits.index_fill(0, surplus, float("-inf"))
    return logits
