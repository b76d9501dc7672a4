"""LoRA adapters beside a frozen model: y = W·x + (alpha / rank) · B·(A·x), in any number over the same weights.

Adapters are tables of tensors, not modules: a forward hook on each linear layer adds the active adapter's product. So the
model keeps its names and weights, a published version is a copy of a table, and rows of one batch can have different ones.
A and B are float32; their products are computed in the model's own precision, as serving engines do.

@source Hu et al., arXiv:2106.09685; tables and initialisation as PEFT has them.
"""

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from agent_lightning_worker.errors import WorkerError


@dataclass(frozen=True)
class LoraSpec:
    """What a training run asks for. Rank 0 is full fine-tuning, and the rest is then unused."""

    rank: int
    alpha: float
    seed: int
    train_attn: bool
    train_mlp: bool
    train_unembed: bool


class Adapter:
    """`tensors["<module>.lora_A"]` (rank, in) and `tensors["<module>.lora_B"]` (out, rank)."""

    def __init__(self, tensors: dict[str, Tensor], scale: float) -> None:
        self.tensors = tensors
        self.scale = scale

    def delta(self, module: str, x: Tensor) -> Tensor | None:
        """The adapter's part of a layer's output, (…, in) → (…, out), in the precision of `x`."""
        a = self.tensors.get(f"{module}.lora_A")
        if a is None:
            return None
        b = self.tensors[f"{module}.lora_B"]
        return F.linear(F.linear(x, a.to(x.dtype)) * self.scale, b.to(x.dtype))

    def merged(self, module: str, weight: Tensor, transposed: bool) -> Tensor:
        """`weight` with this adapter added, computed in float32."""
        product = self.scale * (self.tensors[f"{module}.lora_B"].float() @ self.tensors[f"{module}.lora_A"].float())
        return (weight.float() + (product.T if transposed else product)).to(weight.dtype)

    def modules(self) -> list[str]:
        return [name.removesuffix(".lora_A") for name in self.tensors if name.endswith(".lora_A")]


@dataclass(frozen=True)
class RowAdapter:
    """An adapter for some rows of a batch; `rows` are indices (n,) among `batch_rows`."""

    rows: Tensor
    batch_rows: int
    adapter: Adapter


class AdapterSlot:
    """Holds what the hooks of one model add now."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._active: Adapter | list[RowAdapter] | None = None
        for name, module in model.named_modules():
            if isinstance(module, (nn.Linear, Conv1D)):
                module.register_forward_hook(self._hook(name))

    @contextmanager
    def using(self, active: Adapter | list[RowAdapter] | None) -> Iterator[None]:
        """Training must stay within it until the backward pass is done, which runs checkpointed layers again."""
        before, self._active = self._active, active
        try:
            yield
        finally:
            self._active = before

    def _hook(self, name: str):
        def add(_module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
            active = self._active
            if active is None:
                return None
            if isinstance(active, Adapter):
                delta = active.delta(name, inputs[0])
                return None if delta is None else output + delta
            for part in active:
                # Some models (OPT) flatten rows and positions into one dimension before a layer.
                x, y = (
                    t if len(t) == part.batch_rows else t.unflatten(0, (part.batch_rows, -1))
                    for t in (inputs[0], output)
                )
                delta = part.adapter.delta(name, x[part.rows])
                if delta is not None:
                    y[part.rows] += delta  # only while sampling, which records no gradient
            return output

        return add


def create_adapter(model: PreTrainedModel, spec: LoraSpec) -> Adapter:
    """A new adapter, which changes nothing yet: A uniform in ±1/√in from the seed, B zero. Parameters in float32."""
    generator = torch.Generator().manual_seed(spec.seed)
    tensors: dict[str, Tensor] = {}
    for name, module in _targets(model, spec):
        transposed = isinstance(module, Conv1D)
        fan_out, fan_in = reversed(module.weight.shape) if transposed else module.weight.shape
        bound = 1 / math.sqrt(fan_in)
        a = (torch.rand(spec.rank, fan_in, generator=generator) * 2 - 1) * bound
        device = module.weight.device
        tensors[f"{name}.lora_A"] = nn.Parameter(a.to(device))
        tensors[f"{name}.lora_B"] = nn.Parameter(torch.zeros(fan_out, spec.rank, device=device))
    if not tensors:
        raise WorkerError("lora_config selects no linear layer of this model", field="lora_config")
    return Adapter(tensors, spec.alpha / spec.rank)


def _targets(model: PreTrainedModel, spec: LoraSpec) -> list[tuple[str, nn.Module]]:
    fused = next(
        (name for name, parameter in model.named_parameters() if parameter.ndim == 3 and "expert" in name), None
    )
    if fused is not None and spec.train_mlp:
        raise WorkerError(
            f"lora_config.train_mlp: this model's experts are one tensor ({fused}), which LoRA cannot adapt; "
            "send train_mlp false to adapt the attention alone",
            field="lora_config.train_mlp",
        )
    head = model.get_output_embeddings()

    def wanted(name: str, module: nn.Module) -> bool:
        if not isinstance(module, (nn.Linear, Conv1D)):
            return False
        if module is head:
            return spec.train_unembed
        return spec.train_attn if re.search(r"attn|attention", name) else spec.train_mlp

    return [(name, module) for name, module in model.named_modules() if wanted(name, module)]
