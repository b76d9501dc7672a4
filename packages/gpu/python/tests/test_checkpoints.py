import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from helpers import policy, rows
from peft import PeftModel
from torch.nn.modules.module import register_module_forward_pre_hook
from transformers import AutoModelForCausalLM

from agent_lightning_worker import checkpoints
from agent_lightning_worker.errors import WorkerError
from agent_lightning_worker.losses import ClipBounds
from agent_lightning_worker.optimizer import AdamParams
from agent_lightning_worker.policy import collect, run_batches
from agent_lightning_worker.state_directory import StateDirectory

ADAM = AdamParams(learning_rate=3e-3, weight_decay=0.01, grad_clip_norm=1.0)


def train(made, steps):
    for step in range(steps):
        made.forward_backward(rows(kind="sft", seed=step), "cross_entropy", ClipBounds())
        made.optim_step(ADAM)


@pytest.mark.parametrize("rank", [0, 4])
def test_resuming_is_bit_identical(rank, tmp_path):
    straight = policy(tiny.qwen3(), rank)
    train(straight, 3)
    checkpoints.save_state(straight, "tiny", tmp_path)
    resumed = policy(tiny.qwen3(), rank, stir=False)
    train(resumed, 1)
    resumed.forward_backward(rows(kind="sft"), "cross_entropy", ClipBounds())  # a gradient that must not survive
    checkpoints.load_state(resumed, tmp_path, with_optimizer=True)
    for made in (straight, resumed):
        train(made, 2)
    assert resumed.optimizer.steps == straight.optimizer.steps == 5
    for name, parameter in straight.parameters.items():
        assert torch.equal(parameter, resumed.parameters[name]), name
    for name, moment in straight.optimizer.state().items():
        assert torch.equal(moment, resumed.optimizer.state()[name]), name


def test_weights_alone_begin_a_new_optimizer(tmp_path):
    made = policy(tiny.llama())
    train(made, 2)
    checkpoints.save_state(made, "tiny", tmp_path)
    other = policy(tiny.llama(), stir=False)
    checkpoints.load_state(other, tmp_path, with_optimizer=False)
    assert other.optimizer.steps == 0 and other.optimizer.state() == {}
    assert all(torch.equal(parameter, other.parameters[name]) for name, parameter in made.parameters.items())


def test_a_state_of_another_policy_or_a_damaged_one_is_refused_whole(tmp_path):
    made = policy(tiny.llama())
    train(made, 1)
    checkpoints.save_state(made, "tiny", tmp_path)
    other = policy(tiny.llama(), rank=2)
    before = {name: parameter.detach().clone() for name, parameter in other.parameters.items()}
    with pytest.raises(WorkerError, match="rank 4, this model has 2"):
        checkpoints.load_state(other, tmp_path, with_optimizer=True)
    (tmp_path / "optimizer.safetensors").write_bytes(b"torn")
    same = policy(tiny.llama(), stir=False)
    with pytest.raises(WorkerError) as damaged:
        checkpoints.load_state(same, tmp_path, with_optimizer=True)
    assert damaged.value.code == "checkpoint-corrupt"
    assert all(torch.equal(before[name], parameter) for name, parameter in other.parameters.items())
    assert all(not parameter.any() for name, parameter in same.parameters.items() if name.endswith("lora_B"))


@pytest.mark.parametrize("unembed", [False, True])
@pytest.mark.parametrize("make", [tiny.llama, tiny.qwen3])
def test_an_adapter_directory_is_the_same_model_in_peft(make, unembed, tmp_path):
    made = policy(make(), train_unembed=unembed)
    train(made, 1)
    checkpoints.save_adapter(made.snapshot(), made.spec, tmp_path / "base", tmp_path)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["task_type"], config["peft_type"]) == (4, 8, "CAUSAL_LM", "LORA")
    linear = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert set(config["target_modules"]) == linear | ({"lm_head"} if unembed else set())
    reloaded = PeftModel.from_pretrained(make(), tmp_path)
    assert_same_logprobs(made, reloaded)
    again = checkpoints.load_adapter(tmp_path, made._network)
    assert all(torch.equal(tensor, made.parameters[name]) for name, tensor in again.tensors.items())


@pytest.mark.parametrize("unembed", [False, True])
@pytest.mark.parametrize("rank", [0, 4])
@pytest.mark.parametrize("make", [tiny.llama, tiny.qwen3])
def test_an_export_is_the_same_model_in_transformers(make, rank, unembed, tmp_path):
    base = tiny.write_checkpoint(make(), tmp_path / "base")
    made = policy(make(), rank, train_unembed=unembed)
    train(made, 1)
    checkpoints.save_model(made.snapshot(), base, tmp_path / "export")
    assert_same_logprobs(made, AutoModelForCausalLM.from_pretrained(tmp_path / "export"))
    assert (tmp_path / "export" / "tokenizer.json").exists()


def assert_same_logprobs(made, module):
    for datum, got in zip(rows(), made.forward(rows()).logprobs, strict=True):
        with torch.no_grad():
            logits = module(input_ids=torch.from_numpy(datum.tokens)[None]).logits[0]
        want = torch.log_softmax(logits, -1).gather(1, torch.from_numpy(datum.targets)[:, None])[:, 0].numpy()
        assert np.abs(got - want)[datum.wanted].max() < 1e-4


def test_a_saved_model_is_read_again_without_a_forward_pass(tmp_path):
    """It is read beside the thread that trains, which a pass would disturb."""
    base = tiny.write_checkpoint(tiny.qwen3(), tmp_path / "base")
    made = policy(tiny.qwen3(), 0)
    train(made, 1)
    checkpoints.save_model(made.snapshot(), base, tmp_path / "model")

    def refuse(module, _inputs):
        raise AssertionError(f"{type(module).__name__} ran")

    handle = register_module_forward_pre_hook(refuse)
    try:
        weights = checkpoints.load_sampler_weights(tmp_path / "model", made.snapshot().network)
    finally:
        handle.remove()
    assert weights.adapter is None and weights.network.can_pack
    got = collect(rows(), run_batches(weights, rows(), 64), 0.0).logprobs
    assert all(np.array_equal(a, b) for a, b in zip(got, made.forward(rows()).logprobs, strict=True))


WRITER = """
import sys
from pathlib import Path
from agent_lightning_worker.state_directory import StateDirectory
state = StateDirectory(Path(sys.argv[1]))
number = int(sys.argv[2])
while True:
    number += 1
    def fill(directory):
        for name in "abc":
            (directory / name).write_bytes(str(number).encode() * 20000)
    state.write("model", "weights", "latest", True, fill)
    print(number, flush=True)
"""


def test_a_kill_during_a_save_leaves_the_old_state_or_the_new_one_whole(tmp_path):
    saved = 0
    for kill in range(12):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(saved)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(1 + kill % 3):
            saved = int(writer.stdout.readline())
        os.kill(writer.pid, signal.SIGKILL)
        saved = max([saved, *map(int, writer.communicate()[0].split())])
        directory = StateDirectory(tmp_path).path("model", "weights", "latest")
        contents = {(directory / name).read_bytes() for name in "abc"}
        assert len(contents) == 1
        found = contents.pop()
        assert found in (str(saved).encode() * 20000, str(saved + 1).encode() * 20000)
        assert [path.name for path in directory.parent.iterdir()] == ["latest"]


def test_what_a_kill_caught_between_its_two_renames_comes_back(tmp_path):
    kind = tmp_path / "model" / "weights"
    (kind / ".old.latest").mkdir(parents=True)
    (kind / ".old.latest" / "file").write_text("old")
    (kind / ".new.latest.12ab").mkdir()
    (kind / ".old.other").mkdir()
    (kind / "other").mkdir()
    StateDirectory(tmp_path)
    assert sorted(path.name for path in kind.iterdir()) == ["latest", "other"]
    assert (kind / "latest" / "file").read_text() == "old"


def test_a_failed_save_leaves_the_old_state(tmp_path):
    state = StateDirectory(tmp_path)
    state.write("model", "weights", "a", False, lambda directory: (directory / "file").write_text("1") and None)

    def fail(directory: Path) -> None:
        (directory / "file").write_text("2")
        raise OSError("disk full")

    with pytest.raises(OSError):
        state.write("model", "weights", "a", True, fail)
    with pytest.raises(WorkerError, match="overwrite"):
        state.write("model", "weights", "a", False, fail)
    assert [p.name for p in (tmp_path / "model" / "weights").iterdir()] == ["a"]
    assert (tmp_path / "model" / "weights" / "a" / "file").read_text() == "1"
