"""Models of other families, which differ in what they do around attention and logits."""

import json

import numpy as np
import pytest
import tiny
import torch
import transformers as t
from helpers import plain_logprobs, policy, rows, spec
from peft import PeftModel

from agent_lightning_worker import checkpoints
from agent_lightning_worker.errors import WorkerError
from agent_lightning_worker.losses import ClipBounds
from agent_lightning_worker.network import wrap
from agent_lightning_worker.optimizer import AdamParams
from agent_lightning_worker.policy import Policy

SHAPE = dict(
    vocab_size=tiny.VOCABULARY,
    hidden_size=64,
    intermediate_size=96,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=256,
    initializer_range=0.2,
    bos_token_id=None,
    eos_token_id=5,
    pad_token_id=0,
)
EXPERTS = dict(head_dim=16, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=32)


def gpt2():
    ids = dict(bos_token_id=5, eos_token_id=5)
    return t.GPT2LMHeadModel(t.GPT2Config(vocab_size=300, n_embd=64, n_layer=2, n_head=4, n_positions=256, **ids))


MODELS = {
    "GPT-2, transposed layers and learned positions": (gpt2, True),
    "Mistral, a sliding window": (lambda: t.MistralForCausalLM(t.MistralConfig(**SHAPE, sliding_window=8)), True),
    "Gemma 2, capped attention and logits": (
        lambda: t.Gemma2ForCausalLM(
            t.Gemma2Config(
                **SHAPE, head_dim=16, sliding_window=8, attn_logit_softcapping=0.5, final_logit_softcapping=3.0
            )
        ),
        False,
    ),
    "Phi-3, fused projections": (lambda: t.Phi3ForCausalLM(t.Phi3Config(**SHAPE)), True),
    "Granite, scaled logits": (lambda: t.GraniteForCausalLM(t.GraniteConfig(**SHAPE, logits_scaling=4.0)), True),
    "Bloom, biased attention": (
        lambda: t.BloomForCausalLM(t.BloomConfig(vocab_size=300, hidden_size=64, n_layer=2, n_head=4)),
        False,
    ),
}


def seeded(make):
    torch.manual_seed(0)
    return make().eval()


@pytest.mark.parametrize("make, can_pack", MODELS.values(), ids=MODELS.keys())
def test_log_probabilities_are_the_models(make, can_pack):
    made, reference = Policy(wrap(seeded(make), True), spec(), 64), seeded(make)
    assert made._network.can_pack == can_pack
    assert made._network.cache_bytes_per_token > 0
    data = rows(kind="sft")
    for datum, got in zip(data, made.forward(data).logprobs, strict=True):
        want = plain_logprobs(reference, datum).detach().numpy()
        assert np.abs(got - want)[datum.wanted].max() < 1e-4
    before = made.forward_backward(data, "cross_entropy", ClipBounds()).loss
    made.optim_step(AdamParams(learning_rate=1e-2, grad_clip_norm=1.0))
    made.forward_backward(data, "cross_entropy", ClipBounds())
    made.optim_step(AdamParams(learning_rate=1e-2, grad_clip_norm=1.0))
    assert made.forward_backward(data, "cross_entropy", ClipBounds()).loss < before


def test_transposed_layers_survive_peft_and_export(tmp_path):
    made = policy(seeded(gpt2))
    (tmp_path / "adapter").mkdir()
    checkpoints.save_adapter(made.snapshot(), made.spec, tmp_path, tmp_path / "adapter")
    checkpoints.save_model(made.snapshot(), tmp_path, tmp_path / "export")
    assert json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())["fan_in_fan_out"]
    data = rows()
    for module in (
        PeftModel.from_pretrained(seeded(gpt2), tmp_path / "adapter"),
        t.AutoModelForCausalLM.from_pretrained(tmp_path / "export"),
    ):
        for datum, got in zip(data, made.forward(data).logprobs, strict=True):
            assert np.abs(got - plain_logprobs(module, datum).detach().numpy())[datum.wanted].max() < 1e-4


@pytest.mark.parametrize("change", [{"train_mlp": False}, {"train_attn": False}, {}])
def test_an_adapter_names_the_layers_that_it_adapts_and_no_others(change, tmp_path):
    made = policy(seeded(gpt2), **change)
    checkpoints.save_adapter(made.snapshot(), made.spec, tmp_path, tmp_path)
    loaded = PeftModel.from_pretrained(seeded(gpt2), tmp_path)
    adapted = {
        name.removeprefix("base_model.model.") for name, part in loaded.named_modules() if hasattr(part, "lora_A")
    }
    assert adapted == set(made.snapshot().adapter.modules())


def test_experts_are_refused_rather_than_left_out():
    network = wrap(seeded(lambda: t.Qwen3MoeForCausalLM(t.Qwen3MoeConfig(**SHAPE, **EXPERTS))), False)
    with pytest.raises(WorkerError) as refused:
        Policy(network, spec(), 64)
    assert refused.value.field == "lora_config.train_mlp"
    attention = Policy(network, spec(train_mlp=False), 64)
    assert attention.forward_backward(rows(kind="sft"), "cross_entropy", ClipBounds()).trained_tokens > 0


def test_bfloat16_weights_carry_float32_adapters():
    exact, rounded = policy(tiny.llama()), policy(tiny.llama().bfloat16())
    data = rows(kind="sft")
    losses = [made.forward_backward(data, "cross_entropy", ClipBounds()).loss for made in (exact, rounded)]
    assert losses[1] == pytest.approx(losses[0], rel=0.02) and losses[0] != losses[1]
    for made in (exact, rounded):
        assert all(p.dtype == torch.float32 and p.grad.dtype == torch.float32 for p in made.parameters.values())
        made.optim_step(AdamParams(learning_rate=1e-3))
    published = rounded.snapshot().adapter.tensors
    assert all(tensor.dtype == torch.bfloat16 for tensor in published.values())
    whole = policy(tiny.llama().bfloat16(), rank=0)
    assert whole.snapshot().network.dtype == torch.float32
