"""The losses, each a SUM over positions. Normalisation by length or batch is the caller's, folded into its numbers.

With ℓ the log-probability now, q the sampler's, A the advantage, w the weight and r = exp(ℓ − q), where ℓ − q counts as
±20, without a gradient, when it is beyond ±20 (as verl has it):

    cross_entropy        −Σ w·ℓ
    importance_sampling  −Σ r·A
    ppo                  −Σ min(r·A, clip(r, low, high)·A), at most −dual·A where A < 0 and a dual clip is given
    cispo                −Σ stopGradient(clip(r, low, high))·ℓ·A

@source the Tinker API's loss functions; PPO: arXiv:1707.06347; dual clip: arXiv:1912.09729; CISPO: arXiv:2506.13585
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class ClipBounds:
    """Absolute bounds on the ratio, such as 0.8 and 1.2; `dual`, such as 3, bounds it where the advantage is negative."""

    low: float = 0.8
    high: float = 1.2
    dual: float | None = None


_LARGEST_LOG_RATIO = 20.0


def _ratio(logprobs: Tensor, sampled: Tensor) -> Tensor:
    """Returns r, finite: exp of a large log-ratio is infinite, and its gradient NaN even where a clip hides it."""
    return torch.exp((logprobs - sampled).clamp(-_LARGEST_LOG_RATIO, _LARGEST_LOG_RATIO))


def _cross_entropy(logprobs: Tensor, inputs: Mapping[str, Tensor], _clip: ClipBounds) -> Tensor:
    return -(inputs["weights"] * logprobs).sum()


def _importance_sampling(logprobs: Tensor, inputs: Mapping[str, Tensor], _clip: ClipBounds) -> Tensor:
    return -(_ratio(logprobs, inputs["logprobs"]) * inputs["advantages"]).sum()


def _ppo(logprobs: Tensor, inputs: Mapping[str, Tensor], clip: ClipBounds) -> Tensor:
    ratio = _ratio(logprobs, inputs["logprobs"])
    advantages = inputs["advantages"]
    gain = torch.minimum(ratio * advantages, ratio.clamp(clip.low, clip.high) * advantages)
    if clip.dual is not None:
        gain = torch.where(advantages < 0, torch.maximum(gain, clip.dual * advantages), gain)
    return -gain.sum()


def _cispo(logprobs: Tensor, inputs: Mapping[str, Tensor], clip: ClipBounds) -> Tensor:
    ratio = _ratio(logprobs.detach(), inputs["logprobs"]).clamp(clip.low, clip.high)
    return -(ratio * logprobs * inputs["advantages"]).sum()


@dataclass(frozen=True)
class Loss:
    """`gate` names the tensor whose zeros contribute nothing; `clips` and `dual_clips` whether the bounds are read."""

    compute: Callable[[Tensor, Mapping[str, Tensor], ClipBounds], Tensor]
    inputs: tuple[str, ...]
    gate: str
    clips: bool = False
    dual_clips: bool = False


LOSSES: Mapping[str, Loss] = {
    "cross_entropy": Loss(_cross_entropy, ("weights",), "weights"),
    "importance_sampling": Loss(_importance_sampling, ("logprobs", "advantages"), "advantages"),
    "ppo": Loss(_ppo, ("logprobs", "advantages"), "advantages", clips=True, dual_clips=True),
    "cispo": Loss(_cispo, ("logprobs", "advantages"), "advantages", clips=True),
}
