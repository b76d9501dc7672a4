import numpy as np
import pytest
import tiny
import torch
from helpers import distance, gradient_of, merged, plain_logprobs, policy, rows, spec
from torch import nn

from agent_lightning_worker import logprobs as logprobs_module
from agent_lightning_worker.attention import PACKED_ATTENTION
from agent_lightning_worker.errors import WorkerError
from agent_lightning_worker.losses import ClipBounds
from agent_lightning_worker.network import wrap
from agent_lightning_worker.packing import plan
from agent_lightning_worker.policy import Policy
from agent_lightning_worker.transformers_names import enable_checkpointing

MODELS = [tiny.llama, tiny.qwen3]


@pytest.mark.parametrize("make", MODELS)
@pytest.mark.parametrize("rank", [0, 4])
@pytest.mark.parametrize("temperatures", [None, (0.5, 1.0, 1.3)])
def test_log_probabilities_are_the_plain_models(make, rank, temperatures):
    made, reference = policy(make(), rank), make()
    data = rows(temperatures=temperatures)
    weights = None
    if rank > 0:
        weights = merged(reference, {n: p.detach() for n, p in made.parameters.items()}, 8.0 / rank)
    for datum, got in zip(data, made.forward(data).logprobs, strict=True):
        want = plain_logprobs(reference, datum, weights).detach().numpy()
        assert np.abs(got - want)[datum.wanted].max() < 1e-5 / min(temperatures or [1])
        assert (got[~datum.wanted] == 0).all()


@pytest.mark.parametrize("make", MODELS)
@pytest.mark.parametrize("temperatures", [None, (0.5, 1.0, 1.3)])
def test_packed_is_unpacked(make, temperatures):
    data = rows(kind="sft", temperatures=temperatures)
    packed_policy, alone = policy(make(), token_budget=1000), policy(make(), token_budget=1)
    padded = Policy(wrap(make(), False, attention="sdpa"), spec(), 256)
    padded.load({n: p.detach() for n, p in alone.parameters.items()}, {}, 0)
    assert packed_policy._network.can_pack and not padded._network.can_pack
    results = [made.forward_backward(data, "cross_entropy", ClipBounds()) for made in (packed_policy, alone, padded)]
    for result in results[::2]:
        for got, want in zip(result.logprobs, results[1].logprobs, strict=True):
            assert np.abs(got - want).max() < 1e-5 / min(temperatures or [1])
        assert result.entropy == pytest.approx(results[1].entropy, rel=1e-6)
    for made in (packed_policy, padded):
        assert distance(gradient_of(made), gradient_of(alone)) < 1e-5


def test_a_sliding_window_is_kept_when_packed():
    def make():
        return tiny.qwen3(use_sliding_window=True, sliding_window=8, max_window_layers=0)

    assert "sliding_attention" in make().config.layer_types
    made, data = policy(make(), token_budget=1000), rows()
    assert made._network.can_pack
    weights = merged(make(), {n: p.detach() for n, p in made.parameters.items()}, 2.0)
    for datum, got in zip(data, made.forward(data).logprobs, strict=True):
        assert np.abs(got - plain_logprobs(make(), datum, weights).detach().numpy())[datum.wanted].max() < 1e-5


def test_gradient_checkpointing_and_chunks_change_nothing(monkeypatch):
    data = [*rows(kind="sft"), *rows(kind="sft", temperatures=(0.5, 1.3))]
    plain, recomputed = policy(tiny.llama()), policy(tiny.llama())
    enable_checkpointing(recomputed._network.module)
    whole = plain.forward_backward(data, "cross_entropy", ClipBounds())
    monkeypatch.setattr(logprobs_module, "CHUNK_POSITIONS", 7)
    results = [whole, recomputed.forward_backward(data, "cross_entropy", ClipBounds())]
    assert results[0].loss == pytest.approx(results[1].loss, rel=1e-6)
    assert distance(gradient_of(recomputed), gradient_of(plain)) < 1e-6
    assert recomputed._network.module.training, "transformers recomputes in training mode only"


@pytest.mark.parametrize("temperatures", [None, (0.5, 1.0, 1.3)])
def test_entropy_is_that_of_the_distribution(temperatures):
    made, data = policy(tiny.llama(), stir=False), rows(temperatures=temperatures)
    total = 0.0
    for datum in data:
        logits = tiny_logits(datum)
        distribution = torch.distributions.Categorical(logits=logits[torch.from_numpy(datum.wanted)])
        total += distribution.entropy().sum().item()
    assert made.forward(data).entropy == pytest.approx(total, rel=1e-5)


def tiny_logits(datum):
    with torch.no_grad():
        logits = tiny.llama()(torch.from_numpy(datum.tokens)[None]).logits[0].double()
        return logits if datum.temperatures is None else logits / torch.from_numpy(datum.temperatures)[:, None]


@pytest.mark.parametrize("packed", [True, False])
def test_a_plan_holds_everything_once_within_the_budget(packed):
    generator = np.random.default_rng(0)
    for _ in range(200):
        lengths = generator.integers(1, 50, generator.integers(1, 30)).tolist()
        groups = plan(lengths, 64, packed)
        assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
        for group in groups:
            chosen = [lengths[index] for index in group]
            cost = sum(chosen) if packed else len(chosen) * max(chosen)
            assert cost <= 64


def test_a_model_whose_attention_ignores_packing_is_padded():
    class Deaf(nn.Module):
        """Attends to everything before, as a model with attention of its own would."""

        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, hidden_states, **options):
            out, weights = self.inner(hidden_states, **options)
            return out + hidden_states.cumsum(1) * 0.01, weights

    module = tiny.llama()
    for layer in module.model.layers:
        layer.self_attn = Deaf(layer.self_attn)
    network = wrap(module, False)
    assert not network.can_pack
    assert module.config._attn_implementation != PACKED_ATTENTION


def test_a_model_that_changes_its_logits_is_refused():
    module = tiny.llama()
    forward = module.forward

    def scaled(*args, **options):
        output = forward(*args, **options)
        output.logits = output.logits * 1.5
        return output

    module.forward = scaled
    with pytest.raises(WorkerError, match="changes its logits"):
        wrap(module, False)


@pytest.mark.parametrize("change", [{"final_logit_softcapping": 2.0}, {"logit_scale": 0.5}, {"logits_scaling": 4.0}])
def test_known_changes_of_logits_are_applied(change):
    network = wrap(tiny.llama(), False)
    hidden = torch.randn(3, 64)
    before = network.logits(hidden)
    name, value = next(iter(change.items()))
    setattr(network.module.config, name, value)
    want = {
        "final_logit_softcapping": torch.tanh(before / 2) * 2,
        "logit_scale": before / 2,
        "logits_scaling": before / 4,
    }
    assert torch.allclose(network.logits(hidden), want[name])
