"""Makes packages/embedded/test/__fixtures__/llama-steps.json: training steps of small Llama models by PyTorch.

    python3 -m venv .venv && .venv/bin/pip install torch==2.13.0 numpy
    .venv/bin/python tools/reference/make_llama_fixture.py

Weights and rows come from the linear congruential generator of packages/embedded/test/naive-llama.ts, so that the file
holds only what PyTorch computed. Where transformers is installed, the model is checked against its LlamaForCausalLM.
"""

import base64
import json
import pathlib

import numpy
import torch
from torch_llama import logits_of, parameter_shapes

OUT = pathlib.Path(__file__).parents[2] / "packages/embedded/test/__fixtures__/llama-steps.json"


class RandomStream:
    """Uniform in [0, 1), as randomStream in naive-llama.ts."""

    def __init__(self, seed):
        self.state = seed

    def __call__(self):
        self.state = (self.state * 1664525 + 1013904223) % 2**32
        return self.state / 2**32


def make_weights(c, seed, scale=0.5):
    random = RandomStream(seed)
    weights = {}
    for name, shape in parameter_shapes(c).items():
        center = 1.0 if "norm" in name else 0.0
        values = numpy.array([center + scale * (random() - 0.5) for _ in range(int(numpy.prod(shape)))], dtype=numpy.float32)
        weights[name] = torch.tensor(values.reshape(shape), requires_grad=True)
    return weights


def token_logprobs(c, w, tokens, temperature=1.0):
    """Entry t is about predicting tokens[t]; entry 0 is 0."""
    logprobs = torch.log_softmax(logits_of(c, w, tokens[None, :-1])[0] / temperature, -1).gather(1, tokens[1:, None])[:, 0]
    return torch.cat([torch.zeros(1), logprobs])


def make_rows(c, w, lengths, seed, temperatures):
    random = RandomStream(seed)
    rows = []
    for index, length in enumerate(lengths):
        temperature = {} if temperatures is None else {"temperature": temperatures[index]}
        tokens = torch.tensor([int(random() * c["vocabSize"]) for _ in range(length)])
        mask = [1 if t > 0 and random() < 0.6 else 0 for t in range(length)]
        now = token_logprobs(c, w, tokens, **temperature).detach()
        shift = [(-0.7, -0.04, 0.05, 0.6)[int(random() * 4)] for _ in range(length)]
        advantage = [2 * random() - 1 for _ in range(length)]
        rows.append({
            "tokens": tokens.tolist(),
            "lossMask": mask,
            "logprobs": [float(numpy.float32(now[t] + shift[t])) if mask[t] else 0.0 for t in range(length)],
            "advantages": [float(numpy.float32(advantage[t])) if mask[t] else 0.0 for t in range(length)],
        } | temperature)
    return rows


def loss_of(name, clip, now, row):
    mask = torch.tensor(row["lossMask"]) == 1
    lp, old, advantage = now[mask], torch.tensor(row["logprobs"])[mask], torch.tensor(row["advantages"])[mask]
    ratio = (lp - old).exp()
    if name == "ppo":
        return -torch.minimum(ratio * advantage, ratio.clamp(*clip) * advantage).sum()
    if name == "cispo":
        return -(ratio.clamp(*clip).detach() * lp * advantage).sum()
    if name == "importance_sampling":
        return -(ratio * advantage).sum()
    return -(advantage * lp).sum()


def check_against_transformers(c, w):
    try:
        from transformers import LlamaConfig, LlamaForCausalLM
    except ImportError:
        print("transformers is not installed: its model was not compared")
        return
    model = LlamaForCausalLM(LlamaConfig(
        vocab_size=c["vocabSize"], hidden_size=c["hiddenSize"], intermediate_size=c["intermediateSize"], num_hidden_layers=c["layers"],
        num_attention_heads=c["heads"], num_key_value_heads=c["keyValueHeads"], head_dim=c["headSize"], max_position_embeddings=c["maxPositions"],
        rope_parameters={"rope_type": "default", "rope_theta": c["ropeTheta"]}, rms_norm_eps=c["rmsNormEpsilon"], tie_word_embeddings=c["tieWordEmbeddings"],
    ))
    model.load_state_dict({name: value.detach() for name, value in w.items()}, strict=False)
    tokens = torch.arange(20) % c["vocabSize"]
    worst = (model(tokens[None]).logits - logits_of(c, w, tokens[None])).abs().max().item()
    assert worst < 1e-5, f"transformers disagrees by {worst}"
    print(f"transformers agrees within {worst:.1e}")


def encode(tensor):
    return base64.b64encode(tensor.detach().numpy().astype("<f4").tobytes()).decode()


def run_case(case):
    c = case["config"]
    w = make_weights(c, case["weightSeed"])
    check_against_transformers(c, w)
    rows = make_rows(c, w, case["lengths"], case["rowSeed"], case.get("temperatures"))
    loss, adam = case["loss"], case["adam"]
    optimizer = torch.optim.AdamW(w.values(), lr=adam["learningRate"], betas=(adam["beta1"], adam["beta2"]), eps=adam["epsilon"], weight_decay=adam["weightDecay"])
    steps = []
    for step in range(2):
        now = [token_logprobs(c, w, torch.tensor(row["tokens"]), row.get("temperature", 1.0)) for row in rows]
        total = sum(loss_of(loss["name"], (loss.get("clipLow"), loss.get("clipHigh")), lp, row) for lp, row in zip(now, rows))
        optimizer.zero_grad()
        total.backward()
        gradients = {name: value.grad.clone() for name, value in w.items()}
        norm = torch.nn.utils.clip_grad_norm_(w.values(), adam["maxGradientNorm"])
        optimizer.step()
        steps.append({"loss": total.item(), "gradientNorm": norm.item(), "logprobs": [lp.tolist() for lp in now]})
        if step == 0:
            steps[0]["gradients"] = {name: encode(value) for name, value in gradients.items()}
    steps[-1]["weights"] = {name: encode(value) for name, value in w.items()}
    return case | {"rows": rows, "steps": steps}


SHAPE = {"vocabSize": 30, "hiddenSize": 24, "intermediateSize": 44, "layers": 2, "heads": 3, "keyValueHeads": 1, "headSize": 8,
         "maxPositions": 64, "ropeTheta": 10000.0, "rmsNormEpsilon": 1e-5}
# A large epsilon: the first step of Adam divides a gradient by its own size, which makes rounding of tiny ones visible.
ADAM = {"learningRate": 0.01, "beta1": 0.9, "beta2": 0.95, "epsilon": 0.01, "weightDecay": 0.1, "maxGradientNorm": 1.0}
CASES = [
    {"name": "ppo, tied embeddings", "config": SHAPE | {"tieWordEmbeddings": True}, "weightSeed": 1, "rowSeed": 2, "lengths": [7, 33, 12],
     "loss": {"name": "ppo", "clipLow": 0.8, "clipHigh": 1.2}, "adam": ADAM},
    {"name": "cross entropy, own head, grouped keys", "weightSeed": 3, "rowSeed": 4, "lengths": [20, 50, 3],
     "config": SHAPE | {"tieWordEmbeddings": False, "layers": 1, "heads": 4, "keyValueHeads": 2, "ropeTheta": 500.0},
     "loss": {"name": "cross_entropy"}, "adam": ADAM | {"maxGradientNorm": 1000.0, "weightDecay": 0.0}},
    {"name": "ppo, rows of temperatures 0.5, 0.7 and 1.3", "weightSeed": 5, "rowSeed": 6, "lengths": [9, 21, 14],
     "temperatures": [0.5, 0.7, 1.3], "config": SHAPE | {"tieWordEmbeddings": False, "layers": 1, "intermediateSize": 20},
     "loss": {"name": "ppo", "clipLow": 0.8, "clipHigh": 1.2}, "adam": ADAM},
]

if __name__ == "__main__":
    torch.manual_seed(0)
    OUT.write_text(json.dumps({"torch": torch.__version__, "cases": [run_case(case) for case in CASES]}) + "\n")
    print(f"wrote {OUT} ({OUT.stat().st_size} bytes)")
