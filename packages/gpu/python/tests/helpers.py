"""Data for tests, and the plain model's own answers to compare with."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import tiny
import torch
from torch import Tensor
from torch.func import functional_call
from transformers import PreTrainedModel

from agent_lightning_worker.datum import Datum
from agent_lightning_worker.lora import LoraSpec
from agent_lightning_worker.network import wrap
from agent_lightning_worker.policy import Policy

LENGTHS = (5, 20, 9, 33, 70, 1)


def spec(rank: int = 4, **changes) -> LoraSpec:
    return LoraSpec(
        **dict(rank=rank, alpha=8.0, seed=7, train_attn=True, train_mlp=True, train_unembed=False) | changes
    )


def policy(module: PreTrainedModel, rank: int = 4, token_budget: int = 64, *, stir: bool = True, **changes) -> Policy:
    """With `stir`, the adapter's B is not zero, so that every gradient is alive."""
    made = Policy(wrap(module, gradient_checkpointing=False), spec(rank, **changes), token_budget)
    if stir and rank > 0:
        generator = torch.Generator().manual_seed(3)
        with torch.no_grad():
            for name, parameter in made.parameters.items():
                if name.endswith("lora_B"):
                    parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.05)
    return made


def rows(
    lengths: Sequence[int] = LENGTHS, *, kind: str = "rl", seed: int = 0, temperatures: Sequence[float] | None = None
) -> list[Datum]:
    """Random tokens; about half of the positions are trained on. `kind`: "rl" or "sft". `temperatures`: one for each row, in turn."""
    generator = np.random.default_rng(seed)
    data = []
    for index, length in enumerate(lengths):
        tokens = generator.integers(0, tiny.VOCABULARY, length + 1)
        wanted = generator.random(length) < 0.5
        wanted[-1] = True
        numbers = np.where(wanted, generator.normal(size=length), 0).astype(np.float32)
        logprobs = np.where(wanted, generator.normal(-5, 0.7, size=length), 0).astype(np.float32)
        inputs = {"weights": numbers} if kind == "sft" else {"logprobs": logprobs, "advantages": numbers}
        warmth = temperatures and np.full(length, temperatures[index % len(temperatures)], np.float32)
        data.append(Datum(tokens[:-1], tokens[1:], inputs, wanted, warmth))
    return data


def near_policy(data: Sequence[Datum], made: Policy, seed: int = 0) -> list[Datum]:
    """The same data with a sampler's log-probabilities near the policy's, so that ratios are clipped on both sides and not."""
    generator = np.random.default_rng(seed)
    noisy = []
    for datum, logprobs in zip(data, made.forward(data).logprobs, strict=True):
        noise = generator.normal(0, 0.4, len(datum))
        sampled = np.where(datum.wanted, logprobs + noise, 0).astype(np.float32)
        noisy.append(replace(datum, inputs=datum.inputs | {"logprobs": sampled}))
    return noisy


def plain_logprobs(module: PreTrainedModel, datum: Datum, weights: dict[str, Tensor] | None = None) -> Tensor:
    """log_softmax of the whole model on this sequence alone; (N,). `weights` replace the module's, by name."""
    tokens = torch.from_numpy(datum.tokens)[None]
    logits = functional_call(module, weights or {}, (tokens,), {"use_cache": False}).logits[0]
    if datum.temperatures is not None:
        logits = logits / torch.from_numpy(datum.temperatures)[:, None]
    return torch.log_softmax(logits, -1).gather(1, torch.from_numpy(datum.targets)[:, None])[:, 0]


def merged(module: PreTrainedModel, leaves: dict[str, Tensor], scale: float) -> dict[str, Tensor]:
    """The weights of the linear layers with a LoRA added, as a function of its tensors."""
    names = [name.removesuffix(".lora_A") for name in leaves if name.endswith(".lora_A")]
    return {
        f"{name}.weight": module.get_submodule(name).weight
        + scale * leaves[f"{name}.lora_B"] @ leaves[f"{name}.lora_A"]
        for name in names
    }


def gradient_of(made: Policy) -> dict[str, Tensor]:
    return {name: parameter.grad.double().clone() for name, parameter in made.parameters.items()}


def distance(left: dict[str, Tensor], right: dict[str, Tensor]) -> float:
    """‖left − right‖ / ‖right‖ over all tensors together."""
    assert left.keys() == right.keys() and right
    difference = sum(float((left[name].double() - right[name].double()).square().sum()) for name in left)
    return (difference / sum(float(tensor.double().square().sum()) for tensor in right.values())) ** 0.5
