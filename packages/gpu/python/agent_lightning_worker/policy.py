"""One model in training: its parameters, its gradient, its optimizer."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from agent_lightning_worker.attention import packed
from agent_lightning_worker.datum import Datum
from agent_lightning_worker.errors import WorkerError, numerics
from agent_lightning_worker.logprobs import token_logprobs
from agent_lightning_worker.lora import Adapter, LoraSpec, create_adapter
from agent_lightning_worker.losses import LOSSES, ClipBounds
from agent_lightning_worker.network import Network, at_least_float32
from agent_lightning_worker.optimizer import AdamParams, Optimizer
from agent_lightning_worker.packing import Batch, lay_out, plan


@dataclass(frozen=True)
class Weights:
    """What can be sampled: a network and, beside it, an adapter or none. Never changes once published."""

    network: Network
    adapter: Adapter | None


@dataclass(frozen=True)
class PassResult:
    """Per datum log-probabilities (N,) in nats, 0 where not wanted; sums over the wanted positions."""

    logprobs: list[np.ndarray]
    loss: float
    entropy: float
    trained_tokens: int


@dataclass(frozen=True)
class BatchOutput:
    """What one forward pass gave."""

    batch: Batch
    logprobs: Tensor  # (n,), of the wanted positions
    entropies: Tensor  # (n,)


class Policy:
    def __init__(self, base: Network, spec: LoraSpec, token_budget: int) -> None:
        """A policy that starts as the base model is: LoRA beside its frozen weights, or a copy of all of them, in float32."""
        self.spec = spec
        self._token_budget = token_budget
        if spec.rank > 0:
            self._network, self._adapter = base, create_adapter(base.module, spec)
            self.parameters: dict[str, nn.Parameter] = self._adapter.tensors
        else:
            self._network, self._adapter = base.copy(at_least_float32(base.dtype)), None
            self._network.module.requires_grad_(True)
            self.parameters = dict(self._network.module.named_parameters())
        self.optimizer = Optimizer(self.parameters)

    def forward(self, data: Sequence[Datum]) -> PassResult:
        """Log-probabilities without a gradient. The loss is reported as 0."""
        with torch.no_grad():
            return collect(data, run_batches(self._weights, data, self._token_budget), 0.0)

    def forward_backward(self, data: Sequence[Datum], loss_name: str, clip: ClipBounds) -> PassResult:
        """Adds the loss's gradient to what earlier calls accumulated.

        A call that fails leaves none, theirs included, so that no step is taken on a part of what was meant for it.

        @raises WorkerError code "numerics" when the loss or a log-probability is not finite
        """
        losses: list[float] = []

        def backward(batch: Batch, logprobs: Tensor) -> None:
            loss = LOSSES[loss_name].compute(logprobs, self._loss_inputs(data, batch, loss_name), clip)
            loss.backward()
            losses.append(loss.item())

        try:
            with torch.enable_grad():
                outputs = run_batches(self._weights, data, self._token_budget, backward)
            total = sum(losses)
            if not math.isfinite(total):
                raise numerics(f"{loss_name}: the loss is {total}; the gradient is dropped")
            return collect(data, outputs, total)
        except BaseException:
            self.optimizer.clear_gradients()
            raise

    def optim_step(self, adam: AdamParams) -> float:
        return self.optimizer.step(adam)

    def snapshot(self) -> Weights:
        """The weights as they are now, which later steps do not touch."""
        if self._adapter is None:
            return Weights(self._network.copy(), None)
        tensors = {name: tensor.detach().to(self._network.dtype, copy=True) for name, tensor in self.parameters.items()}
        return Weights(self._network, Adapter(tensors, self._adapter.scale))

    @torch.no_grad()
    def load(self, tensors: dict[str, Tensor], moments: dict[str, Tensor], steps: int) -> None:
        """Replaces weights and optimizer, and drops the gradient. `steps` 0 is a new optimizer.

        @raises WorkerError when they are another model's; nothing has changed then
        """
        for name, parameter in self.parameters.items():
            if name not in tensors or tensors[name].shape != parameter.shape:
                raise WorkerError(
                    f"path: the state has no weights that fit {name}", field="path", code="checkpoint-corrupt"
                )
        self.optimizer.load_state(moments, steps)
        for name, parameter in self.parameters.items():
            parameter.copy_(tensors[name])
        self.optimizer.clear_gradients()

    @property
    def _weights(self) -> Weights:
        return Weights(self._network, self._adapter)

    def _loss_inputs(self, data: Sequence[Datum], batch: Batch, loss_name: str) -> dict[str, Tensor]:
        """The loss's tensors at the wanted positions, (n,) each, in the order of the log-probabilities."""
        return {
            name: torch.from_numpy(
                np.concatenate([data[index].inputs[name][data[index].wanted] for index in batch.members])
            ).to(self._network.device)
            for name in LOSSES[loss_name].inputs
        }


def run_batches(
    weights: Weights,
    data: Sequence[Datum],
    token_budget: int,
    use: Callable[[Batch, Tensor], None] = lambda _batch, _logprobs: None,
) -> list[BatchOutput]:
    """One forward pass after the other over the data that want anything.

    `use` gets each pass's log-probabilities (n,) and must run their backward pass, if any, before it returns: checkpointed
    layers run again then, and need the adapter and the packing in place.
    """
    network = weights.network
    network.training_mode(torch.is_grad_enabled())
    asking = [index for index, datum in enumerate(data) if datum.wanted.any()]
    outputs: list[BatchOutput] = []
    for group in plan([len(data[index]) for index in asking], token_budget, network.can_pack):
        batch = lay_out(data, [asking[index] for index in group], network.can_pack, network.device)
        with network.using(weights.adapter), packed(batch.lengths):
            hidden = network.hidden(batch.tokens, batch.positions, batch.mask).flatten(0, 1)
            logprobs, entropies = token_logprobs(network, hidden[batch.wanted], batch.targets, batch.temperatures)
            use(batch, logprobs)
        outputs.append(BatchOutput(batch, logprobs.detach(), entropies))
    return outputs


def collect(data: Sequence[Datum], outputs: list[BatchOutput], loss: float) -> PassResult:
    """Hands the batches' numbers back to their data. @raises WorkerError code "numerics" when one is not finite"""
    logprobs = [np.zeros(len(datum), dtype=np.float32) for datum in data]
    entropy = 0.0
    for output in outputs:
        entropy += output.entropies.cpu().double().sum().item()  # mps has no float64
        values = output.logprobs.float().cpu().numpy()
        for index in output.batch.members:
            wanted = data[index].wanted
            count = int(wanted.sum())
            logprobs[index][wanted], values = values[:count], values[count:]
            if not np.isfinite(logprobs[index]).all():
                raise numerics(
                    f"data[{index}]: the model's log-probabilities are not finite; its weights have diverged"
                )
    return PassResult(logprobs, loss, entropy, sum(int(datum.wanted.sum()) for datum in data))
