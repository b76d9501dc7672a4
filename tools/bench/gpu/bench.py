"""How fast does the worker train, and in how much memory? Against a plain Hugging Face + PEFT loop in the same run.

    python tools/bench/gpu/bench.py                                the full table, on a CUDA machine
    python tools/bench/gpu/bench.py --shape tiny --length 256      a smoke test, anywhere

Weights are random, from a seed: nothing is downloaded. One JSON line per case on standard output.
"""

import argparse
import gc
import json
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import peft
import torch
import transformers
from transformers import AutoModelForCausalLM, Qwen3Config

from agent_lightning_worker.datum import Datum
from agent_lightning_worker.lora import LoraSpec
from agent_lightning_worker.losses import ClipBounds
from agent_lightning_worker.network import wrap
from agent_lightning_worker.optimizer import AdamParams
from agent_lightning_worker.policy import Policy

RANK = 16
LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
SHAPES = {
    "0.6B": dict(hidden_size=1024, intermediate_size=3072, num_hidden_layers=28, num_attention_heads=16),
    "4B": dict(hidden_size=2560, intermediate_size=9728, num_hidden_layers=36, num_attention_heads=32),
    "tiny": dict(hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4),
}


def build(shape: str, device: torch.device, dtype: torch.dtype) -> transformers.PreTrainedModel:
    """A Qwen3 of this shape with random weights, made on the device."""
    small = shape == "tiny"
    config = Qwen3Config(
        **SHAPES[shape],
        vocab_size=512 if small else 151_936,
        num_key_value_heads=2 if small else 8,
        head_dim=16 if small else 128,
        max_position_embeddings=40_960,
        tie_word_embeddings=True,
    )
    torch.manual_seed(0)
    with torch.device(device):
        return AutoModelForCausalLM.from_config(config, dtype=dtype)


def sequences(count: int, length: int, vocabulary: int) -> np.ndarray:
    """(count, length + 1) token ids."""
    return np.random.default_rng(0).integers(0, vocabulary, (count, length + 1))


def worker_step(shape: str, tokens: np.ndarray, device: torch.device, dtype: torch.dtype) -> Callable[[], None]:
    """Forward, backward and AdamW as the worker does them; the first quarter of a sequence is prompt."""
    network = wrap(build(shape, device, dtype), gradient_checkpointing=True)
    spec = LoraSpec(RANK, 32.0, 0, train_attn=True, train_mlp=True, train_unembed=False)
    policy = Policy(network, spec, token_budget=tokens.shape[1] - 1)
    length = tokens.shape[1] - 1
    wanted = np.arange(length) >= length // 4
    weights = {"weights": wanted.astype(np.float32)}
    data = [Datum(row[:-1], row[1:], weights, wanted) for row in tokens]

    def step() -> None:
        policy.forward_backward(data, "cross_entropy", ClipBounds())
        policy.optim_step(AdamParams(grad_clip_norm=1.0))

    return step


def plain_step(shape: str, tokens: np.ndarray, device: torch.device, dtype: torch.dtype) -> Callable[[], None]:
    """The same by transformers and PEFT as their documentation has it: labels, loss, gradient checkpointing, AdamW."""
    config = peft.LoraConfig(r=RANK, lora_alpha=32, target_modules=LINEAR, task_type="CAUSAL_LM")
    model = peft.get_peft_model(build(shape, device, dtype), config)
    model.gradient_checkpointing_enable({"use_reentrant": False})
    model.enable_input_require_grads()
    model.train()
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=0.0)
    inputs = torch.from_numpy(tokens[:, :-1]).to(device)
    labels = inputs.clone()
    labels[:, : inputs.shape[1] // 4] = -100

    def step() -> None:
        for row, label in zip(inputs, labels, strict=True):
            model(input_ids=row[None], labels=label[None], use_cache=False).loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def measure(
    make: Callable[[], Callable[[], None]], tokens: int, rounds: int, device: torch.device
) -> dict[str, object]:
    """Median tokens/s of some rounds after a warm-up, and the peak of allocated memory; or why there is none."""
    cuda = device.type == "cuda"
    gc.collect()
    if cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    try:
        step, seconds = make(), []
        for _ in range(rounds + 1):
            started = time.perf_counter()
            step()
            if cuda:
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - started)
    except torch.OutOfMemoryError:
        return {"out_of_memory": True}
    memory = {"peak_gib": round(torch.cuda.max_memory_allocated() / 2**30, 2)} if cuda else {}
    return {"tokens_per_second": round(tokens / statistics.median(seconds[1:]), 1), **memory}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", action="append", choices=list(SHAPES), help="default: 0.6B and 4B")
    parser.add_argument("--length", action="append", type=int, help="tokens of a sequence; default: 8192, 16384, 32768")
    parser.add_argument("--sequences", type=int, default=2, help="of one optimizer step (default 2)")
    parser.add_argument("--rounds", type=int, default=3, help="measured after one warm-up (default 3)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    device = torch.device(options.device)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    hardware = (
        torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    )
    for shape in options.shape or ["0.6B", "4B"]:
        for length in options.length or [8192, 16384, 32768]:
            tokens = sequences(options.sequences, length, 512 if shape == "tiny" else 151_936)
            total = options.sequences * length
            results = {}
            for name, make in (("worker", worker_step), ("plain", plain_step)):
                results[name] = measure(partial(make, shape, tokens, device, dtype), total, options.rounds, device)
            speeds = [result.get("tokens_per_second") for result in results.values()]
            ratio = round(speeds[0] / speeds[1], 3) if None not in speeds else None
            case = {"shape": shape, "length": length, "sequences": options.sequences, "lora_rank": RANK, "ratio": ratio}
            versions = {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__}
            print(json.dumps(case | results | {"hardware": hardware, "dtype": str(dtype), **versions}), flush=True)


if __name__ == "__main__":
    main()
