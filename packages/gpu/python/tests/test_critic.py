"""The critic's values and gradients against the plain model in float64, and what its state holds."""

import numpy as np
import pytest
import tiny
import torch
from helpers import distance, gradient_of, merged, policy, rows
from torch.func import functional_call

from agent_lightning_worker import checkpoints, messages
from agent_lightning_worker.datum import Datum
from agent_lightning_worker.errors import WorkerError
from agent_lightning_worker.losses import ClipBounds
from agent_lightning_worker.optimizer import AdamParams

CLIP = ClipBounds(0.8, 1.2)
LENGTHS = (9, 30, 14)


def valued_rows(seed=0):
    generator = np.random.default_rng(seed)
    numbers = lambda datum: np.where(datum.wanted, generator.random(len(datum)), 0).astype(np.float32)
    return [
        Datum(d.tokens, d.targets, d.inputs | {"value_targets": 2 * numbers(d), "value_weights": numbers(d)}, d.wanted)
        for d in rows(LENGTHS, kind="sft", seed=seed)
    ]


def stirred(made):
    """The policy with a critic whose head is not 0."""
    with torch.no_grad():
        generator = torch.Generator().manual_seed(5)
        made.critic._head.copy_(torch.randn(made.critic._head.shape, generator=generator))
    return made


def plain_values(module, datum, head, weights=None):
    """The values of the whole model on this sequence alone, (N,)."""
    tokens = torch.from_numpy(datum.tokens)[None]
    names = {name.removeprefix("model."): tensor for name, tensor in (weights or {}).items() if "lm_head" not in name}
    hidden = functional_call(module.base_model, names, (tokens,), {"use_cache": False}).last_hidden_state[0]
    return head[-1] + hidden @ head[:-1] / hidden.shape[-1]


def test_values_are_those_of_the_plain_model():
    made, data = stirred(policy(tiny.qwen3().double(), rank=0)), rows(LENGTHS)
    got = made.forward(data, with_values=True)
    for datum, values in zip(data, got.values, strict=True):
        want = plain_values(tiny.qwen3().double(), datum, made.critic._head).detach().numpy()
        assert np.allclose(values, np.where(datum.wanted, want, 0), atol=1e-5)
    assert all(np.array_equal(a, b) for a, b in zip(got.logprobs, made.forward(data).logprobs, strict=True))
    assert made.forward(data).values is None


def test_a_new_critic_says_0_and_so_it_does_where_nothing_is_asked():
    made, data = policy(tiny.llama()), rows(LENGTHS)
    silent = [Datum(d.tokens, d.targets, d.inputs, np.zeros(len(d), bool)) for d in data]
    for given in (data, silent):
        values = made.forward(given, with_values=True).values
        assert [len(list) for list in values] == list(LENGTHS)
        assert not np.concatenate(values).any()


@pytest.mark.parametrize("trunk_weight", [0.0, 0.5])
@pytest.mark.parametrize("rank", [0, 4])
def test_the_gradient_is_autograds(rank, trunk_weight):
    made, plain, data = stirred(policy(tiny.qwen3().double(), rank)), tiny.qwen3().double(), valued_rows()
    result = made.forward_backward(data, "cross_entropy", CLIP, trunk_weight)
    got, got_head = gradient_of(made), made.critic._head.grad.clone()
    made.optimizer.clear_gradients()
    made.forward_backward(data, "cross_entropy", CLIP)
    policy_alone = gradient_of(made)

    leaves = {name: tensor.detach().double().requires_grad_() for name, tensor in made.parameters.items()}
    head = made.critic._head.detach().clone().requires_grad_()
    weights = leaves if rank == 0 else merged(plain, leaves, made.spec.alpha / made.spec.rank)
    total = 0.0
    for datum in data:
        values = plain_values(plain, datum, head, weights)
        targets, u = (torch.from_numpy(datum.inputs[name]).double() for name in ("value_targets", "value_weights"))
        total = total + 0.5 * (u * (values - targets).square())[torch.from_numpy(datum.wanted)].sum()
    total.backward()
    assert result.value_loss == pytest.approx(total.item(), rel=1e-6)
    assert torch.allclose(got_head, head.grad, rtol=1e-6, atol=1e-9)
    added = {name: got[name] - policy_alone[name] for name in got}
    want = {name: torch.zeros_like(t) if t.grad is None else trunk_weight * t.grad for name, t in leaves.items()}
    if trunk_weight == 0:
        assert all(not tensor.any() for tensor in added.values())
    else:
        assert distance(added, want) < 1e-4  # a difference of gradients: norms compute in float32


def test_a_critic_that_learns_alone_changes_nothing_of_the_policy():
    alone, without, data = stirred(policy(tiny.llama())), policy(tiny.llama()), valued_rows()
    adam = AdamParams(learning_rate=1e-2, grad_clip_norm=0.1, critic_learning_rate=0.05)
    before = alone.critic._head.detach().clone()
    for _ in range(2):
        alone.forward_backward(data, "cross_entropy", CLIP, 0.0)
        without.forward_backward(data, "cross_entropy", CLIP)
        assert alone.optim_step(adam) == without.optim_step(adam)
    assert all(torch.equal(parameter, without.parameters[name]) for name, parameter in alone.parameters.items())
    assert not torch.equal(alone.critic._head, before)
    assert not without.critic._head.any()


def test_a_loss_that_is_not_finite_leaves_no_gradient():
    made, data = stirred(policy(tiny.llama())), valued_rows()
    made.forward_backward(data, "cross_entropy", CLIP, 0.5)
    huge = [
        Datum(d.tokens, d.targets, d.inputs | {"value_targets": d.inputs["value_targets"] * 1e38}, d.wanted)
        for d in data
    ]
    with pytest.raises(WorkerError, match="the critic's loss is") as failure:
        made.forward_backward(huge, "cross_entropy", CLIP, 0.5)
    assert failure.value.code == "numerics"
    assert made.critic._head.grad is None
    assert all(parameter.grad is None for parameter in made.parameters.values())


def test_a_state_has_the_critic(tmp_path):
    def train(made, steps):
        for step in range(steps):
            made.forward_backward(valued_rows(step), "cross_entropy", CLIP, 0.5)
            made.optim_step(AdamParams(learning_rate=3e-3, critic_learning_rate=0.05))

    straight, resumed = policy(tiny.llama()), policy(tiny.llama())
    for name in ("new", "trained"):
        (tmp_path / name).mkdir()
    checkpoints.save_state(straight, "tiny", tmp_path / "new")
    train(straight, 2)
    checkpoints.save_state(straight, "tiny", tmp_path / "trained")
    checkpoints.load_state(resumed, tmp_path / "trained", with_optimizer=True)
    for made in (straight, resumed):
        train(made, 2)
    assert torch.equal(resumed.critic._head, straight.critic._head)
    assert all(torch.equal(parameter, resumed.parameters[name]) for name, parameter in straight.parameters.items())
    checkpoints.load_state(resumed, tmp_path / "trained", with_optimizer=False)
    assert resumed.critic._head.any() and resumed.critic._optimizer.steps == 0
    checkpoints.load_state(resumed, tmp_path / "new", with_optimizer=True)
    assert not resumed.critic._head.any()


def test_a_state_of_another_critic_changes_nothing(tmp_path):
    made, wide = policy(tiny.llama()), stirred(policy(tiny.llama()))
    checkpoints.save_state(wide, "tiny", tmp_path)
    checkpoints._save_tensors({"head": torch.ones(3)}, tmp_path / "critic.safetensors")
    before = {name: tensor.detach().clone() for name, tensor in made.parameters.items()}
    with pytest.raises(WorkerError, match="no critic that fits"):
        checkpoints.load_state(made, tmp_path, with_optimizer=True)
    assert all(torch.equal(before[name], tensor) for name, tensor in made.parameters.items())


def test_protobuf_results_have_the_values_too():
    outputs = [
        {"logprobs": {"data": [-1.0]}, "values": {"data": [0.5]}},
        {"logprobs": {"data": [-2.0, -3.0]}, "values": {"data": [1.5, 2.5]}},
    ]
    message = messages.write_result(
        {"loss_fn_output_type": "TorchLossReturn", "loss_fn_outputs": outputs, "metrics": {}}
    )
    fields = messages._PassOutput.FromString(message).loss_fn_outputs[0].fields
    assert np.frombuffer(fields["values"].data, np.float32).tolist() == [0.5, 1.5, 2.5]
    assert np.frombuffer(fields["logprobs"].data, np.float32).tolist() == [-1.0, -2.0, -3.0]
