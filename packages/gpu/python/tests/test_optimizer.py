import numpy as np
import pytest
import tiny
import torch
from helpers import distance, gradient_of, policy, rows
from torch import nn

from agent_lightning_worker.datum import Datum
from agent_lightning_worker.errors import WorkerError
from agent_lightning_worker.losses import ClipBounds
from agent_lightning_worker.optimizer import AdamParams, Optimizer

CLIP = ClipBounds()


@pytest.mark.parametrize("clip", [0.0, 0.5])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_steps_are_torchs_adamw(clip, decay):
    generator = torch.Generator().manual_seed(0)

    def table() -> dict[str, nn.Parameter]:
        return {name: nn.Parameter(torch.ones(shape) * 0.3) for name, shape in (("a", (5, 3)), ("b", (7,)))}

    ours, theirs = table(), table()
    optimizer = Optimizer(ours)
    reference = torch.optim.AdamW(theirs.values(), lr=1e-2, betas=(0.8, 0.97), eps=1e-6, weight_decay=decay)
    adam = AdamParams(1e-2, 0.8, 0.97, 1e-6, decay, clip)
    for step in range(1, 6):
        for name in ours:
            ours[name].grad = torch.randn(ours[name].shape, generator=generator)
            theirs[name].grad = ours[name].grad.clone()
        want_norm = torch.cat([p.grad.flatten() for p in theirs.values()]).norm().item()
        if clip > 0:
            nn.utils.clip_grad_norm_(theirs.values(), clip)
        reference.step()
        assert optimizer.step(adam) == pytest.approx(want_norm, rel=1e-6)
        assert optimizer.steps == step
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
        assert all(parameter.grad is None for parameter in ours.values())


def test_one_step_by_hand():
    """First step of Adam: w ← w·(1 − lr·decay) − lr·sign(g), to eps."""
    parameters = {"w": nn.Parameter(torch.tensor([2.0, -2.0]))}
    parameters["w"].grad = torch.tensor([3.0, -0.1])
    Optimizer(parameters).step(AdamParams(learning_rate=0.1, weight_decay=0.5, eps=0))
    assert torch.allclose(parameters["w"].detach(), torch.tensor([2 * 0.95 - 0.1, -2 * 0.95 + 0.1]))


def test_every_parameter_of_adam_is_honoured():
    """Each, changed alone, changes the weights after two steps."""

    def weights(adam: AdamParams) -> torch.Tensor:
        parameters = {"w": nn.Parameter(torch.tensor([2.0, -1.0]))}
        optimizer = Optimizer(parameters)
        for gradient in ([3.0, -0.1], [-1.0, 0.2]):
            parameters["w"].grad = torch.tensor(gradient)
            optimizer.step(adam)
        return parameters["w"].detach()

    changes = dict(learning_rate=2e-3, beta1=0.5, beta2=0.5, eps=0.5, weight_decay=0.5, grad_clip_norm=0.05)
    for name, value in changes.items():
        assert not torch.equal(weights(AdamParams(**{name: value})), weights(AdamParams())), name


def test_accumulated_calls_are_one_call():
    data = rows(kind="sft")
    whole, parts = policy(tiny.llama()), policy(tiny.llama())
    loss = whole.forward_backward(data, "cross_entropy", CLIP).loss
    sum_of_parts = sum(parts.forward_backward([datum], "cross_entropy", CLIP).loss for datum in data)
    assert sum_of_parts == pytest.approx(loss, rel=1e-6)
    assert distance(gradient_of(parts), gradient_of(whole)) < 1e-6


def test_a_loss_that_is_not_finite_leaves_no_gradient():
    made, data = policy(tiny.llama()), rows(kind="sft")
    made.forward_backward(data, "cross_entropy", CLIP)
    bad = [Datum(d.tokens, d.targets, {"weights": d.wanted * np.float32(3e38)}, d.wanted) for d in data]
    with pytest.raises(WorkerError) as refused:
        made.forward_backward(bad, "cross_entropy", CLIP)
    assert refused.value.code == "numerics"
    assert all(parameter.grad is None for parameter in made.parameters.values())
    made.forward_backward(data, "cross_entropy", CLIP)
    fresh = policy(tiny.llama())
    fresh.forward_backward(data, "cross_entropy", CLIP)
    assert distance(gradient_of(made), gradient_of(fresh)) < 1e-6


def test_a_gradient_that_is_not_finite_changes_nothing_but_is_dropped():
    made, data = policy(tiny.llama()), rows(kind="sft")
    made.forward_backward(data, "cross_entropy", CLIP)
    made.optim_step(AdamParams())
    before = {name: parameter.detach().clone() for name, parameter in made.parameters.items()}
    moments = {name: tensor.clone() for name, tensor in made.optimizer.state().items()}
    made.forward_backward(data, "cross_entropy", CLIP)
    next(iter(made.parameters.values())).grad[0] = float("nan")
    with pytest.raises(WorkerError) as refused:
        made.optim_step(AdamParams())
    assert (refused.value.code, refused.value.category) == ("numerics", "server")
    assert all(torch.equal(before[name], parameter) for name, parameter in made.parameters.items())
    assert all(torch.equal(moments[name], tensor) for name, tensor in made.optimizer.state().items())
    assert made.optimizer.steps == 1 and all(parameter.grad is None for parameter in made.parameters.values())
    made.forward_backward(data, "cross_entropy", CLIP)
    assert made.optim_step(AdamParams()) > 0


def test_adapters_of_one_base_train_apart():
    first = policy(tiny.llama(), stir=False)
    from helpers import spec

    from agent_lightning_worker.policy import Policy

    second = Policy(first._network, spec(2, seed=1), 64)
    data = rows(kind="sft")
    before = second.forward(data).logprobs
    for _ in range(3):
        first.forward_backward(data, "cross_entropy", CLIP)
        first.optim_step(AdamParams(learning_rate=1e-2))
    assert all(np.array_equal(a, b) for a, b in zip(second.forward(data).logprobs, before, strict=True))
    assert not np.allclose(first.forward(data).logprobs[1], before[1])
