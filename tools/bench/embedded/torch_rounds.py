"""The PyTorch side of `npm run bench:embedded`: reads one JSON workload, then answers each line `train` or `sample` with tokens per second."""

import json
import pathlib
import sys
import time

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "reference"))
from torch_llama import logits_of, parameter_shapes  # noqa: E402


def make_model(c):
    weights = {}
    for name, shape in parameter_shapes(c).items():
        weights[name] = (torch.ones(shape) if "norm" in name else torch.randn(shape) * 0.05).requires_grad_()
    return weights


def train_round(c, w, optimizer, load):
    """Forward, PPO loss, backward, clipping and AdamW on rows × rowTokens predicted tokens."""
    tokens = torch.randint(0, c["vocabSize"], (load["rows"], load["rowTokens"] + 1))
    advantages = torch.randn(load["rows"], load["rowTokens"])
    start = time.perf_counter()
    logprobs = torch.log_softmax(logits_of(c, w, tokens[:, :-1]), -1).gather(2, tokens[:, 1:, None])[..., 0]
    ratio = (logprobs - logprobs.detach()).exp()
    loss = -torch.minimum(ratio * advantages, ratio.clamp(0.8, 1.2) * advantages).sum()
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(w.values(), 1.0)
    optimizer.step()
    return load["rows"] * load["rowTokens"] / (time.perf_counter() - start)


@torch.inference_mode()
def sample_round(c, w, generate, load):
    """A batch of prompts, a fixed number of new tokens each, at temperature 1."""
    tokens = torch.randint(0, c["vocabSize"], (load["concurrent"], load["promptIds"]))
    start = time.perf_counter()
    if generate is not None:
        generate(tokens)
    else:
        cache, step = [], tokens
        for _ in range(load["newTokens"]):
            probabilities = torch.softmax(logits_of(c, w, step, cache)[:, -1], -1)
            step = torch.multinomial(probabilities, 1)
    return load["concurrent"] * load["newTokens"] / (time.perf_counter() - start)


def transformers_generate(c, load):
    """generate() of transformers for the same model; None where it is not installed."""
    try:
        from transformers import LlamaConfig, LlamaForCausalLM
    except ImportError:
        return None
    model = LlamaForCausalLM(LlamaConfig(
        vocab_size=c["vocabSize"], hidden_size=c["hiddenSize"], intermediate_size=c["intermediateSize"], num_hidden_layers=c["layers"],
        num_attention_heads=c["heads"], num_key_value_heads=c["keyValueHeads"], head_dim=c["headSize"], max_position_embeddings=c["maxPositions"],
        tie_word_embeddings=c["tieWordEmbeddings"], bos_token_id=None, eos_token_id=None, pad_token_id=0,
    )).eval()
    options = {"do_sample": True, "temperature": 1.0, "top_k": 0, "max_new_tokens": load["newTokens"], "min_new_tokens": load["newTokens"]}
    return lambda tokens: model.generate(tokens, attention_mask=torch.ones_like(tokens), **options)


def main():
    load = json.loads(sys.stdin.readline())
    c = load["config"]
    torch.set_num_threads(load["threads"])
    torch.manual_seed(0)
    weights = make_model(c)
    optimizer = torch.optim.AdamW(weights.values(), lr=1e-4)
    generate = transformers_generate(c, load)
    print(json.dumps({"torch": torch.__version__, "sampler": "transformers generate()" if generate else "a plain loop with a key-value cache"}), flush=True)
    for line in sys.stdin:
        if line.strip() == "train":
            print(train_round(c, weights, optimizer, load), flush=True)
        else:
            print(sample_round(c, weights, generate, load), flush=True)


if __name__ == "__main__":
    main()
