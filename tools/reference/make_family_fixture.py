"""Makes packages/embedded/test/__fixtures__/family.json: what transformers and PEFT compute of tiny models of the Llama family.

    python3 -m venv .venv && .venv/bin/pip install torch==2.13.0 transformers peft
    .venv/bin/python tools/reference/make_family_fixture.py

Weights and rows come from the linear congruential generator of packages/embedded/test/naive-llama.ts, in the order of the
engine's `parameterShapes`, so that the file holds only configurations and what was computed.
"""

import base64
import json
import pathlib
import re

import numpy
import peft
import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM

OUT = pathlib.Path(__file__).parents[2] / "packages/embedded/test/__fixtures__/family.json"

SHAPE = {"vocab_size": 37, "hidden_size": 24, "intermediate_size": 44, "num_hidden_layers": 2, "num_attention_heads": 3, "num_key_value_heads": 1,
         "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
ROPE = lambda theta: {"rope_parameters": {"rope_type": "default", "rope_theta": theta}}  # noqa: E731
CASES = [
    {"name": "Llama", "type": "llama", "options": ROPE(10000.0) | {"head_dim": 8, "tie_word_embeddings": False}},
    {"name": "Mistral without a window", "type": "mistral", "options": ROPE(10000.0) | {"head_dim": 8, "tie_word_embeddings": True, "sliding_window": None}},
    {"name": "Qwen2, tied", "type": "qwen2", "options": ROPE(1000000.0) | {"tie_word_embeddings": True}},
    {"name": "Qwen2 with a head of its own", "type": "qwen2", "options": ROPE(5000.0) | {"tie_word_embeddings": False}},
    {"name": "Qwen3, heads wider than the model, tied", "type": "qwen3",
     "options": ROPE(1000000.0) | {"head_dim": 16, "num_attention_heads": 4, "num_key_value_heads": 2, "tie_word_embeddings": True}},
]
LORA = {"rank": 5, "alpha": 8, "trainAttention": True, "trainMlp": True, "trainUnembed": False, "frozenType": "float32"}
# The gradients that the file keeps: every kind of parameter, once.
KEPT = re.compile(r"layers\.0\.self_attn|layers\.1\.mlp\.(gate|down)|layers\.1\.input_layernorm|model\.norm")


class RandomStream:
    """Uniform in [0, 1), as randomStream in naive-llama.ts."""

    def __init__(self, seed):
        self.state = seed

    def __call__(self):
        self.state = (self.state * 1664525 + 1013904223) % 2**32
        return self.state / 2**32


def ordered_names(model):
    """The names of the parameters in the order of the engine's `parameterShapes`."""
    layer = ["input_layernorm.weight", *(f"self_attn.{p}_proj.{kind}" for p in "qkv" for kind in ("weight", "bias")), "self_attn.o_proj.weight",
             "self_attn.q_norm.weight", "self_attn.k_norm.weight", "post_attention_layernorm.weight", *(f"mlp.{p}_proj.weight" for p in ("gate", "up", "down"))]
    names = ["model.embed_tokens.weight", *(f"model.layers.{n}.{part}" for n in range(model.config.num_hidden_layers) for part in layer), "model.norm.weight", "lm_head.weight"]
    present = dict(model.named_parameters())
    assert set(present) <= set(names), set(present) - set(names)
    return [name for name in names if name in present]


def fill(parameters, seed, scale):
    random = RandomStream(seed)
    for name, parameter in parameters:
        center = 1.0 if "norm" in name else 0.0
        values = [center + scale * (random() - 0.5) for _ in range(parameter.numel())]
        with torch.no_grad():
            parameter.copy_(torch.tensor(numpy.array(values, dtype=numpy.float32)).view(parameter.shape))


def make_rows(vocabulary, lengths, seed):
    random = RandomStream(seed)
    rows = []
    for length in lengths:
        tokens = [int(random() * vocabulary) for _ in range(length)]
        mask = [1 if t > 0 and random() < 0.6 else 0 for t in range(length)]
        advantages = [float(numpy.float32(2 * random() - 1)) if m else 0.0 for m in mask]
        rows.append({"tokens": tokens, "lossMask": mask, "logprobs": [0.0] * length, "advantages": advantages})
    return rows


def compute(model, rows):
    """Log-probabilities, the weighted cross entropy and its gradient, and a greedy continuation of the first row."""
    total, logprobs = 0, []
    for row in rows:
        tokens = torch.tensor(row["tokens"])
        lp = torch.log_softmax(model(tokens[None, :-1]).logits[0], -1).gather(1, tokens[1:, None])[:, 0]
        total = total - (torch.tensor(row["advantages"])[1:] * lp * torch.tensor(row["lossMask"])[1:]).sum()
        logprobs.append([0.0, *lp.tolist()])
    model.zero_grad()
    total.backward()
    tokens = rows[0]["tokens"][:9]
    for _ in range(12):
        with torch.no_grad():
            tokens = [*tokens, int(model(torch.tensor([tokens])).logits[0, -1].argmax())]
    return {"loss": total.item(), "logprobs": logprobs, "greedy": tokens[9:]}


def encode(tensor):
    return base64.b64encode(tensor.detach().numpy().astype("<f4").tobytes()).decode()


def gradients_of(parameters):
    return {name: encode(parameter.grad) for name, parameter in parameters if parameter.grad is not None and KEPT.search(name)}


def run_case(index, case):
    config = AutoConfig.for_model(case["type"], **(SHAPE | case["options"]))
    config.architectures = [{"llama": "LlamaForCausalLM", "mistral": "MistralForCausalLM", "qwen2": "Qwen2ForCausalLM", "qwen3": "Qwen3ForCausalLM"}[case["type"]]]
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    named = dict(model.named_parameters())
    order = ordered_names(model)
    fill([(name, named[name]) for name in order], 10 + index, 0.5)
    rows = make_rows(SHAPE["vocab_size"], [21, 40, 6], 30 + index)
    full = compute(model, rows) | {"gradients": gradients_of(named.items())}
    adapted = peft.get_peft_model(model, peft.LoraConfig(r=LORA["rank"], lora_alpha=LORA["alpha"], lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"))
    adapters = {name.removeprefix("base_model.model.").replace(".default.", "."): p for name, p in adapted.named_parameters() if "lora_" in name}
    # Parts that share their input one after the other, as in the model; A before B.
    layers = [name.removesuffix(".weight") for name in order if re.search(r"_proj\.weight$", name)]
    ordered = [(f"{layer}.lora_{part}.weight", adapters.pop(f"{layer}.lora_{part}.weight")) for layer in layers for part in "AB"]
    assert not adapters, adapters.keys()
    fill(ordered, 50 + index, 0.6)
    lora = compute(adapted, rows) | {"gradients": gradients_of(ordered)}
    return {"name": case["name"], "config": config.to_dict(), "weightSeed": 10 + index, "adapterSeed": 50 + index, "rows": rows, "full": full, "lora": lora}


if __name__ == "__main__":
    torch.manual_seed(0)
    versions = {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__}
    cases = [run_case(index, case) for index, case in enumerate(CASES)]
    OUT.write_text(json.dumps({"versions": versions, "adaptation": LORA, "cases": cases}) + "\n")
    print(f"wrote {OUT} ({OUT.stat().st_size} bytes)")
