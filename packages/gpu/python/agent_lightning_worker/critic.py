"""The critic of one policy: V = b + w·h / H, with h the model's last hidden state after its norm, of H numbers.

Its loss is a SUM over positions, ½ Σ u·(V − R)², with R the position's target and u its weight. The head, w and b in one
vector, has an optimizer and a gradient norm of its own, so that a head that learns alone changes nothing of the policy's step.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from agent_lightning_worker.errors import WorkerError, numerics
from agent_lightning_worker.optimizer import AdamParams, Optimizer

INPUTS = ("value_targets", "value_weights")
"""A datum's tensors for the critic's loss."""


@dataclass(frozen=True)
class CriticState:
    """What training continues from: the head and its moments, (H + 1,) each."""

    tensors: dict[str, Tensor]
    steps: int


class Critic:
    def __init__(self, width: int, device: torch.device, dtype: torch.dtype) -> None:
        """A critic whose values are 0. `width`: H."""
        self._head = nn.Parameter(torch.zeros(width + 1, device=device, dtype=dtype))
        self._optimizer = Optimizer({"head": self._head})

    def values(self, hidden: Tensor) -> Tensor:
        """(n, H) → (n,), in the head's precision."""
        return self._head[-1] + hidden.to(self._head.dtype) @ self._head[:-1] / (len(self._head) - 1)

    def loss(self, hidden: Tensor, targets: Tensor, weights: Tensor, trunk_weight: float) -> tuple[Tensor, Tensor]:
        """The loss, of whose gradient `trunk_weight` reaches the model, and the values (n,)."""
        shared = hidden.detach()
        if trunk_weight > 0:
            shared = shared + trunk_weight * (hidden - shared)  # the same numbers, a part of the gradient
        values = self.values(shared)
        return 0.5 * (weights * (values - targets).square()).sum(), values

    def step(self, adam: AdamParams) -> None:
        """One step on the accumulated gradient, at the critic's own learning rate; nothing where there is none."""
        if self._head.grad is None:
            return
        rate = adam.learning_rate if adam.critic_learning_rate is None else adam.critic_learning_rate
        self._optimizer.step(replace(adam, learning_rate=rate))

    def check_gradient(self) -> None:
        """@raises WorkerError code "numerics" when the gradient is not finite"""
        if self._head.grad is not None and not torch.isfinite(self._head.grad).all():
            raise numerics("the gradient of the critic is not finite; both gradients are dropped")

    def clear_gradients(self) -> None:
        self._optimizer.clear_gradients()

    def state(self) -> CriticState | None:
        """None where the head was never trained."""
        if self._optimizer.steps == 0 and not self._head.any():
            return None
        return CriticState({"head": self._head.detach()} | self._optimizer.state(), self._optimizer.steps)

    def check_state(self, state: CriticState | None) -> None:
        """@raises WorkerError when it is another model's"""
        if state is None:
            return
        names = ("head", "head.exp_avg", "head.exp_avg_sq") if state.steps > 0 else ("head",)
        tensors = [state.tensors.get(name) for name in names]
        if any(tensor is None or tensor.shape != self._head.shape for tensor in tensors):
            raise WorkerError("path: the state has no critic that fits", field="path", code="checkpoint-corrupt")

    @torch.no_grad()
    def load(self, state: CriticState | None) -> None:
        """Continues from a state; from the start where there is none. Drops the gradient.

        @raises WorkerError when it is another model's; nothing has changed then
        """
        self.check_state(state)
        self._optimizer.load_state({} if state is None else state.tensors, 0 if state is None else state.steps)
        self._head.copy_(torch.zeros_like(self._head) if state is None else state.tensors["head"])
        self.clear_gradients()
