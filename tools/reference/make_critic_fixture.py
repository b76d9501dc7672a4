"""Makes packages/embedded/test/__fixtures__/critic-steps.json: steps of a small Llama and its critic by PyTorch.

    python3 -m venv .venv && .venv/bin/pip install torch==2.13.0 numpy
    .venv/bin/python tools/reference/make_critic_fixture.py

The policy's loss and the critic's are one backward pass; the head has an optimizer and a gradient norm of its own, and only
`trunkWeight` of the critic's gradient reaches the model.
"""

import json
import pathlib

import torch
from make_llama_fixture import ADAM, SHAPE, RandomStream, encode, loss_of, make_rows, make_weights
from torch_llama import hidden_of, logits_of

OUT = pathlib.Path(__file__).parents[2] / "packages/embedded/test/__fixtures__/critic-steps.json"
STEPS = 3
CRITIC_RATE = 0.05


def values_of(c, w, head, tokens, trunk_weight):
    """Entry t is the value of the state before tokens[t]; entry 0 is 0."""
    hidden = hidden_of(c, w, tokens[None, :-1])[0]
    hidden = hidden.detach() + trunk_weight * (hidden - hidden.detach())
    return torch.cat([torch.zeros(1), head[-1] + hidden @ head[:-1] / c["hiddenSize"]])


def logprobs_of(c, w, tokens):
    logprobs = torch.log_softmax(logits_of(c, w, tokens[None, :-1])[0], -1).gather(1, tokens[1:, None])[:, 0]
    return torch.cat([torch.zeros(1), logprobs])


def run_case(case):
    c, adam = case["config"], case["adam"]
    w = make_weights(c, case["weightSeed"])
    rows = make_rows(c, w, case["lengths"], case["rowSeed"])
    random = RandomStream(case["rowSeed"] + 1)
    targets = [[random() * 2 for _ in row["tokens"]] for row in rows]
    weights = [[random() for _ in row["tokens"]] for row in rows]
    head = torch.zeros(c["hiddenSize"] + 1, requires_grad=True)
    settings = {"betas": (adam["beta1"], adam["beta2"]), "eps": adam["epsilon"], "weight_decay": adam["weightDecay"]}
    optimizer = torch.optim.AdamW(w.values(), lr=adam["learningRate"], **settings)
    head_optimizer = torch.optim.AdamW([head], lr=CRITIC_RATE, **settings)
    steps = []
    for _ in range(STEPS):
        values, loss, value_loss = [], 0.0, 0.0
        for row, target, weight in zip(rows, targets, weights):
            tokens, mask = torch.tensor(row["tokens"]), torch.tensor(row["lossMask"]) == 1
            loss += loss_of("ppo", (0.8, 1.2), logprobs_of(c, w, tokens), row)
            value = values_of(c, w, head, tokens, case["trunkWeight"])
            value_loss += 0.5 * (torch.tensor(weight) * (value - torch.tensor(target)) ** 2)[mask].sum()
            values.append([v if m else 0.0 for v, m in zip(value.tolist(), mask.tolist())])
        optimizer.zero_grad()
        head_optimizer.zero_grad()
        (loss + value_loss).backward()
        norm = torch.nn.utils.clip_grad_norm_(w.values(), adam["maxGradientNorm"])
        torch.nn.utils.clip_grad_norm_([head], adam["maxGradientNorm"])
        optimizer.step()
        head_optimizer.step()
        steps.append({"loss": loss.item(), "valueLoss": value_loss.item(), "gradientNorm": norm.item(), "values": values,
                      "head": head.tolist()})
    shown = ("model.norm.weight", "model.layers.0.self_attn.q_proj.weight", "model.layers.1.mlp.down_proj.weight")
    return case | {"rows": rows, "targets": targets, "weights": weights, "criticLearningRate": CRITIC_RATE, "steps": steps,
                   "trained": {name: encode(w[name]) for name in shown}}


CASES = [
    {"name": f"trunkWeight {trunk}", "config": SHAPE | {"tieWordEmbeddings": True}, "weightSeed": 5, "rowSeed": 6,
     "lengths": [7, 33, 12], "adam": ADAM, "trunkWeight": trunk} for trunk in (0, 0.5)
]

if __name__ == "__main__":
    OUT.write_text(json.dumps({"torch": torch.__version__, "cases": [run_case(case) for case in CASES]}) + "\n")
    print(f"wrote {OUT} ({OUT.stat().st_size} bytes)")
