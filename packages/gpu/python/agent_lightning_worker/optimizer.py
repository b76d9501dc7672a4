"""AdamW over a table of parameters, with every hyperparameter given anew at each step."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from agent_lightning_worker.errors import WorkerError, numerics


@dataclass(frozen=True)
class AdamParams:
    """Defaults are the Tinker API's. Weight decay is decoupled; `grad_clip_norm` bounds the global L2 norm, 0 for no bound."""

    learning_rate: float = 1e-4
    beta1: float = 0.9
    beta2: float = 0.95
    eps: float = 1e-12
    weight_decay: float = 0.0
    grad_clip_norm: float = 0.0
    critic_learning_rate: float | None = None
    """Of the critic's head; `learning_rate` where it is None."""


class Optimizer:
    """torch.optim.AdamW with a step count of its own and state that is a flat table of tensors."""

    def __init__(self, parameters: dict[str, nn.Parameter]) -> None:
        self._parameters = parameters
        self.reset()

    def reset(self) -> None:
        """Forgets moments and steps."""
        self.steps = 0
        self._adam = torch.optim.AdamW(self._parameters.values(), lr=0.0, weight_decay=0.0)

    def clear_gradients(self) -> None:
        self._adam.zero_grad(set_to_none=True)

    def step(self, adam: AdamParams) -> float:
        """One step on the accumulated gradient, which it clears. Returns the gradient's L2 norm before clipping.

        @raises WorkerError code "numerics" when the gradient is not finite: it is dropped and nothing else changes
        """
        parameters = self._parameters.values()
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [parameter.grad for parameter in parameters]
        norm = nn.utils.get_total_norm(gradients)
        if not torch.isfinite(norm):
            self.clear_gradients()
            raise numerics(f"the gradient's norm is {norm.item()}; the gradient is dropped and no weight has changed")
        if adam.grad_clip_norm > 0:
            nn.utils.clip_grads_with_norm_(parameters, adam.grad_clip_norm, norm)
        group = self._adam.param_groups[0]
        group.update(
            lr=adam.learning_rate, betas=(adam.beta1, adam.beta2), eps=adam.eps, weight_decay=adam.weight_decay
        )
        self._adam.step()
        self.clear_gradients()
        self.steps += 1
        return norm.item()

    def state(self) -> dict[str, Tensor]:
        """Both moments of every parameter, by `<name>.exp_avg` and `<name>.exp_avg_sq`; empty before the first step."""
        return {
            f"{name}.{moment}": self._adam.state[parameter][moment]
            for name, parameter in self._parameters.items()
            if parameter in self._adam.state
            for moment in ("exp_avg", "exp_avg_sq")
        }

    def load_state(self, state: dict[str, Tensor], steps: int) -> None:
        """Continues where `state()` was taken. @raises WorkerError when it is another model's; nothing has changed then"""
        moments = ("exp_avg", "exp_avg_sq")
        for name, parameter in self._parameters.items() if steps > 0 else ():
            if any((t := state.get(f"{name}.{moment}")) is None or t.shape != parameter.shape for moment in moments):
                raise WorkerError(
                    f"path: the state has no moments that fit {name}", field="path", code="checkpoint-corrupt"
                )
        self.reset()
        self.steps = steps
        for name, parameter in self._parameters.items() if steps > 0 else ():
            self._adam.state[parameter] = {
                "step": torch.tensor(float(steps)),
                **{moment: state[f"{name}.{moment}"].to(parameter.device, copy=True) for moment in moments},
            }
