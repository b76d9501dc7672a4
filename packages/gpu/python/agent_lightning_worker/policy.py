"""One model in training: its parameters, its gradient, its optimizer."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from agent_lightning_worker.attention import packed
from agent_lightning_worker.critic import INPUTS, Critic, CriticState
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
    """Per datum log-probabilities (N,) in nats, 0 where not wanted; sums over the wanted positions.

    `values`, alike, and `value_loss` where the critic took part.
    """

    logprobs: list[np.ndarray]
    loss: float
    entropy: float
    trained_tokens: int
    values: list[np.ndarray] | None = None
    value_loss: float | None = None


@dataclass(frozen=True)
class BatchOutput:
    """What one forward pass gave."""

    batch: Batch
    logprobs: Tensor  # (n,), of the wanted positions
    entropies: Tensor  # (n,)
    values: Tensor | None = None  # (n,)


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
        self.critic = Critic(base.width, base.device, at_least_float32(base.dtype))

    def forward(self, data: Sequence[Datum], with_values: bool = False) -> PassResult:
        """Log-probabilities without a gradient, and the critic's values where they are wanted. The loss is reported as 0."""
        value = (lambda _batch, _logprobs, hidden: self.critic.values(hidden)) if with_values else no_use
        with torch.no_grad():
            result = collect(data, run_batches(self._weights, data, self._token_budget, value), 0.0)
        if with_values and result.values is None:  # nothing was wanted
            return replace(result, values=[np.zeros(len(datum), dtype=np.float32) for datum in data])
        return result

    def forward_backward(
        self, data: Sequence[Datum], loss_name: str, clip: ClipBounds, trunk_weight: float | None = None
    ) -> PassResult:
        """Adds the loss's gradient to what earlier calls accumulated, and the critic's loss's where `trunk_weight` is given.

        A call that fails leaves none, theirs included, so that no step is taken on a part of what was meant for it.

        @raises WorkerError code "numerics" when the loss or a log-probability is not finite
        """
        losses: list[float] = []
        value_losses: list[float] = []

        def backward(batch: Batch, logprobs: Tensor, hidden: Tensor) -> Tensor | None:
            loss = LOSSES[loss_name].compute(logprobs, self._inputs(data, batch, LOSSES[loss_name].inputs), clip)
            losses.append(loss.item())
            values = None
            if trunk_weight is not None:
                targets, weights = self._inputs(data, batch, INPUTS).values()
                value_loss, values = self.critic.loss(hidden, targets, weights, trunk_weight)
                value_losses.append(value_loss.item())
                loss = loss + value_loss
            loss.backward()
            return values

        try:
            with torch.enable_grad():
                outputs = run_batches(self._weights, data, self._token_budget, backward)
            total = sum(losses)
            if not math.isfinite(total):
                raise numerics(f"{loss_name}: the loss is {total}; the gradient is dropped")
            value_total = sum(value_losses) if trunk_weight is not None else None
            if value_total is not None and not abs(value_total) <= torch.finfo(torch.float32).max:
                raise numerics(f"the critic's loss is {value_total}; both gradients are dropped")
            return replace(collect(data, outputs, total), value_loss=value_total)
        except BaseException:
            self._clear_gradients()
            raise

    def optim_step(self, adam: AdamParams) -> float:
        """Steps policy and critic; returns the norm of the policy's gradient. @raises WorkerError code "numerics": nothing has changed then but the gradients, which are dropped"""
        try:
            self.critic.check_gradient()
            norm = self.optimizer.step(adam)
        except BaseException:
            self._clear_gradients()
            raise
        self.critic.step(adam)
        return norm

    def snapshot(self) -> Weights:
        """The weights as they are now, which later steps do not touch."""
        if self._adapter is None:
            return Weights(self._network.copy(), None)
        tensors = {name: tensor.detach().to(self._network.dtype, copy=True) for name, tensor in self.parameters.items()}
        return Weights(self._network, Adapter(tensors, self._adapter.scale))

    @torch.no_grad()
    def load(
        self, tensors: dict[str, Tensor], moments: dict[str, Tensor], steps: int, critic: CriticState | None = None
    ) -> None:
        """Replaces weights and optimizer, and drops the gradient. `steps` 0 is a new optimizer.

        @raises WorkerError when they are another model's; nothing has changed then
        """
        for name, parameter in self.parameters.items():
            if name not in tensors or tensors[name].shape != parameter.shape:
                raise WorkerError(
                    f"path: the state has no weights that fit {name}", field="path", code="checkpoint-corrupt"
                )
        self.critic.check_state(critic)
        self.optimizer.load_state(moments, steps)
        for name, parameter in self.parameters.items():
            parameter.copy_(tensors[name])
        self.critic.load(critic)
        self._clear_gradients()

    def _clear_gradients(self) -> None:
        self.optimizer.clear_gradients()
        self.critic.clear_gradients()

    @property
    def _weights(self) -> Weights:
        return Weights(self._network, self._adapter)

    def _inputs(self, data: Sequence[Datum], batch: Batch, names: tuple[str, ...]) -> dict[str, Tensor]:
        """Tensors of a loss at the wanted positions, (n,) each, in the order of the log-probabilities."""
        return {
            name: torch.from_numpy(
                np.concatenate([data[index].inputs[name][data[index].wanted] for index in batch.members])
            ).to(self._network.device)
            for name in names
        }


Use = Callable[[Batch, Tensor, Tensor], Tensor | None]
"""Takes a batch, its log-probabilities (n,) and the hidden states before them (n, H); may return values (n,)."""


def no_use(_batch: Batch, _logprobs: Tensor, _hidden: Tensor) -> None:
    """Computes nothing more."""


def run_batches(
    weights: Weights,
    data: Sequence[Datum],
    token_budget: int,
    use: Use = no_use,
) -> list[BatchOutput]:
    """One forward pass after the other over the data that want anything.

    `use` gets each pass's numbers and must run their backward pass, if any, before it returns: checkpointed
    layers run again then, and need the adapter and the packing in place.
    """
    network = weights.network
    network.training_mode(torch.is_grad_enabled())
    asking = [index for index, datum in enumerate(data) if datum.wanted.any()]
    outputs: list[BatchOutput] = []
    for group in plan([len(data[index]) for index in asking], token_budget, network.can_pack):
        batch = lay_out(data, [asking[index] for index in group], network.can_pack, network.device)
        with network.using(weights.adapter), packed(batch.lengths):
            hidden = network.hidden(batch.tokens, batch.positions, batch.mask).flatten(0, 1)[batch.wanted]
            logprobs, entropies = token_logprobs(network, hidden, batch.targets, batch.temperatures)
            values = use(batch, logprobs, hidden)
        outputs.append(BatchOutput(batch, logprobs.detach(), entropies, None if values is None else values.detach()))
    return outputs


def collect(data: Sequence[Datum], outputs: list[BatchOutput], loss: float) -> PassResult:
    """Hands the batches' numbers back to their data. @raises WorkerError code "numerics" when one is not finite"""
    logprobs = scatter(data, [(output.batch, output.logprobs) for output in outputs], "the model's log-probabilities")
    valued = [(output.batch, output.values) for output in outputs if output.values is not None]
    values = scatter(data, valued, "the critic's values") if valued else None
    entropy = sum(output.entropies.cpu().double().sum().item() for output in outputs)  # mps has no float64
    return PassResult(logprobs, loss, entropy, sum(int(datum.wanted.sum()) for datum in data), values)


def scatter(data: Sequence[Datum], parts: list[tuple[Batch, Tensor]], what: str) -> list[np.ndarray]:
    """Numbers of the wanted positions, (n,) for each batch, by datum, (N,). @raises WorkerError code "numerics" when one is not finite"""
    lists = [np.zeros(len(datum), dtype=np.float32) for datum in data]
    for batch, tensor in parts:
        numbers = tensor.float().cpu().numpy()
        for index in batch.members:
            wanted = data[index].wanted
            count = int(wanted.sum())
            lists[index][wanted], numbers = numbers[:count], numbers[count:]
            if not np.isfinite(lists[index]).all():
                raise numerics(f"data[{index}]: {what} are not finite; its weights have diverged")
    return lists
