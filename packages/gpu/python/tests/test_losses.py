"""Gradients against losses written anew, token by token, in float64 on the plain model."""

import math

import numpy as np
import pytest
import tiny
import torch
from helpers import distance, gradient_of, merged, near_policy, plain_logprobs, policy, rows
from torch import Tensor

from agent_lightning_worker.datum import Datum
from agent_lightning_worker.errors import WorkerError
from agent_lightning_worker.losses import LOSSES, ClipBounds

CLIP = ClipBounds(0.8, 1.2)


def cross_entropy(lp: list[Tensor], data: list[Datum]) -> Tensor:
    return -sum(
        x * float(w) for l, d in zip(lp, data, strict=True) for x, w in zip(l, d.inputs["weights"], strict=True)
    )


def each(lp: list[Tensor], data: list[Datum]):
    """(log-probability, the sampler's, advantage) of every trained token."""
    for l, d in zip(lp, data, strict=True):
        for i in np.flatnonzero(d.wanted):
            yield l[i], float(d.inputs["logprobs"][i]), float(d.inputs["advantages"][i])


def importance_sampling(lp, data):
    return -sum(torch.exp(l - q) * a for l, q, a in each(lp, data))


def ppo(lp, data):
    total = 0.0
    for l, q, a in each(lp, data):
        r = torch.exp(l - q)
        clipped = 0.8 if r < 0.8 else 1.2 if r > 1.2 else r
        total = total - (r * a if r * a < clipped * a else clipped * a)
    return total


def dual_clipped_ppo(lp, data):
    total = 0.0
    for l, q, a in each(lp, data):
        r = torch.exp(l - q)
        clipped = 0.8 if r < 0.8 else 1.2 if r > 1.2 else r
        gain = r * a if r * a < clipped * a else clipped * a
        total = total - (1.3 * a if a < 0 and gain < 1.3 * a else gain)
    return total


def cispo(lp, data):
    return -sum(min(max(math.exp(l.item() - q), 0.8), 1.2) * l * a for l, q, a in each(lp, data))


def gspo(lp, data):
    """Sequence-level ratio, one advantage per sequence (arXiv:2507.18071)."""
    total = 0.0
    for l, d in zip(lp, data, strict=True):
        wanted = torch.from_numpy(d.wanted)
        advantage = float(d.inputs["advantages"][d.wanted][0])
        s = torch.exp((l[wanted] - torch.from_numpy(d.inputs["logprobs"][d.wanted]).double()).mean())
        total = total - torch.minimum(s * advantage, s.clamp(0.9, 1.1) * advantage)
    return total


def icepop(lp, data):
    """Importance sampling that drops tokens whose ratio leaves [0.5, 5]."""
    return -sum(torch.exp(l - q) * a for l, q, a in each(lp, data) if 0.5 <= math.exp(l.item() - q) <= 5)


def kl(lp, data):
    """The k3 estimate of KL to the sampler's policy."""
    return sum(torch.exp(q - l) - (q - l) - 1 for l, q, _ in each(lp, data))


NAIVE = {"cross_entropy": cross_entropy, "importance_sampling": importance_sampling, "ppo": ppo, "cispo": cispo}


def direct_gradient(loss, module, made, data) -> tuple[float, dict[str, Tensor]]:
    """Of a loss of the plain module's log-probabilities, by autograd; in LoRA's tensors where it has some."""
    leaves = {name: p.detach().double().requires_grad_() for name, p in made.parameters.items()}
    weights = merged(module, leaves, 8.0 / 4) if made.spec.rank > 0 else leaves
    value = loss([plain_logprobs(module, datum, weights) for datum in data], data)
    value.backward()
    return value.item(), {name: leaf.grad for name, leaf in leaves.items()}


@pytest.mark.parametrize("make", [tiny.llama, tiny.qwen3])
@pytest.mark.parametrize("rank", [0, 4])
@pytest.mark.parametrize("name", list(LOSSES))
@pytest.mark.parametrize("temperatures", [None, (0.5, 1.3, 0.7)])
def test_the_gradient_of_a_built_in_loss_is_autograds(name, rank, make, temperatures):
    made = policy(make().double(), rank)
    kind = "sft" if name == "cross_entropy" else "rl"
    data = rows((9, 30, 14), kind=kind, temperatures=temperatures)
    data = data if kind == "sft" else near_policy(data, made)
    result = made.forward_backward(data, name, CLIP)
    value, want = direct_gradient(NAIVE[name], make().double(), made, data)
    assert result.loss == pytest.approx(value, rel=1e-6)
    assert distance(gradient_of(made), want) < 1e-6


@pytest.mark.parametrize("rank", [0, 4])
def test_the_gradient_of_a_dual_clip_is_autograds(rank):
    made = policy(tiny.qwen3().double(), rank)
    data = near_policy(rows((9, 30, 14)), made)
    result = made.forward_backward(data, "ppo", ClipBounds(0.8, 1.2, 1.3))
    value, want = direct_gradient(dual_clipped_ppo, tiny.qwen3().double(), made, data)
    assert abs(value - direct_gradient(ppo, tiny.qwen3().double(), made, data)[0]) > 1e-3
    assert result.loss == pytest.approx(value, rel=1e-6)
    assert distance(gradient_of(made), want) < 1e-6


@pytest.mark.parametrize("loss", [importance_sampling, ppo, cispo, gspo, icepop, kl])
@pytest.mark.parametrize("rank", [0, 4])
def test_the_surrogate_route_is_exact(loss, rank):
    """forward → derivative of any loss by the caller → cross_entropy with minus it as weights."""
    made = policy(tiny.qwen3().double(), rank)
    data = near_policy(rows((9, 30, 14)), made)
    logprobs = [torch.from_numpy(l).double().requires_grad_() for l in made.forward(data).logprobs]
    loss(logprobs, data).backward()
    surrogate = [
        Datum(d.tokens, d.targets, {"weights": -l.grad.float().numpy()}, d.wanted)
        for d, l in zip(data, logprobs, strict=True)
    ]
    made.forward_backward(surrogate, "cross_entropy", CLIP)
    _, want = direct_gradient(loss, tiny.qwen3().double(), made, data)
    assert distance(gradient_of(made), want) < 1e-6


def test_losses_by_hand():
    lp, q, a = torch.tensor([0.0, math.log(2.0)]), torch.tensor([0.0, 0.0]), torch.tensor([1.0, 1.0])
    inputs = {"logprobs": q, "advantages": a}
    assert LOSSES["importance_sampling"].compute(lp, inputs, CLIP).item() == pytest.approx(-3)
    assert LOSSES["ppo"].compute(lp, inputs, CLIP).item() == pytest.approx(-2.2)
    assert LOSSES["cispo"].compute(lp, inputs, CLIP).item() == pytest.approx(-1.2 * math.log(2))
    assert LOSSES["cross_entropy"].compute(lp, {"weights": a}, CLIP).item() == pytest.approx(-math.log(2))


@pytest.mark.parametrize("name", ["importance_sampling", "ppo", "cispo"])
def test_a_ratio_beyond_measure_stays_finite(name):
    lp = torch.tensor([0.0, -300.0], requires_grad=True)
    inputs = {"logprobs": torch.tensor([-100.0, 0.0]), "advantages": torch.tensor([1.0, -1.0])}
    loss = LOSSES[name].compute(lp, inputs, CLIP)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(lp.grad).all()
    if name != "cispo":
        assert lp.grad.tolist() == [0.0, 0.0]


def test_a_log_probability_that_is_not_finite_leaves_no_gradient():
    made, (datum,) = policy(tiny.llama()), rows([8])
    made.forward_backward(rows([9], seed=1), "importance_sampling", CLIP)
    impossible = int(datum.targets[-1])

    def forbid(_module, _inputs, logits: Tensor) -> Tensor:
        return logits.index_fill(-1, torch.tensor([impossible]), -math.inf)

    # Where the advantage is 0, even this leaves the loss finite.
    advantages = np.where(datum.targets == impossible, 0, 1).astype(np.float32)
    silent = Datum(datum.tokens, datum.targets, datum.inputs | {"advantages": advantages}, np.ones(8, bool))
    head = made.snapshot().network.module.get_output_embeddings()
    handle = head.register_forward_hook(forbid)
    with pytest.raises(WorkerError, match="not finite") as failure:
        made.forward_backward([silent], "importance_sampling", CLIP)
    handle.remove()
    assert failure.value.code == "numerics"
    assert all(parameter.grad is None for parameter in made.parameters.values())
