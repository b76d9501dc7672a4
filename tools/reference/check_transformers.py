"""Holds a model that the embedded engine exported against transformers.

    node --conditions=@agent-lightning/source tools/reference/write-transformers-check.ts OUT [MODEL]
    python tools/reference/check_transformers.py OUT

Needs torch and transformers (checked with 2.13 and 5.23). Prints one line per comparison and exits with 1 when one fails.
"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

LOGPROB_TOLERANCE = 5e-5  # nats; two float32 implementations of one model


def main(out: Path) -> int:
    run = json.loads((out / "run.json").read_text(encoding="utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(out / "model")
    model, loading = AutoModelForCausalLM.from_pretrained(out / "model", dtype=torch.float32, output_loading_info=True)
    model.eval()
    answers = run["answers"]
    checks = [
        ("no missing or unexpected tensors", sum(len(v) == 0 for v in loading.values()), len(loading)),
        ("same ids", sum(tokenizer.encode(t["text"], add_special_tokens=False) == t["ids"] for t in run["texts"]), len(run["texts"])),
        ("same decoded text", sum(tokenizer.decode(t["ids"], skip_special_tokens=True) == t["decoded"] for t in run["texts"]), len(run["texts"])),
        ("same rendered chat", sum(render(tokenizer, a) == a["rendered"] for a in answers), len(answers)),
        ("same prompt ids", sum(tokenizer.encode(render(tokenizer, a), add_special_tokens=False) == a["prompt"] for a in answers), len(answers)),
        ("same greedy answer", sum(greedy(model, tokenizer, a) == a["tokens"] for a in answers), len(answers)),
        ("same answer text", sum(tokenizer.decode(a["tokens"], skip_special_tokens=True) == a["text"] for a in answers), len(answers)),
    ]
    gap = max(logprob_gap(model, a) for a in answers)
    for name, good, total in checks:
        print(f"{name}: {good} of {total}")
    print(f"largest log-probability difference: {gap:.2e} nats over {sum(len(a['tokens']) for a in answers)} tokens")
    return 0 if all(good == total for _, good, total in checks) and gap < LOGPROB_TOLERANCE else 1


def render(tokenizer, answer) -> str:
    return tokenizer.apply_chat_template(answer["messages"], add_generation_prompt=True, tokenize=False)


def greedy(model, tokenizer, answer) -> list[int]:
    prompt = torch.tensor([answer["prompt"]])
    with torch.no_grad():
        output = model.generate(prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=len(answer["tokens"]))
    return output[0, prompt.shape[1]:].tolist()


def logprob_gap(model, answer) -> float:
    tokens = torch.tensor([answer["prompt"] + answer["tokens"]])
    with torch.no_grad():
        logprobs = model(tokens).logits.double().log_softmax(-1)
    start = len(answer["prompt"])
    own = logprobs[0, start - 1 : -1].gather(1, tokens[0, start:, None])[:, 0]
    return (own - torch.tensor(answer["logprobs"], dtype=torch.float64)).abs().max().item()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1])))
