"""A policy on disk: to resume (weights, optimizer, step), to serve (a PEFT adapter), to take away (a merged model)."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from agent_lightning_worker.critic import CriticState
from agent_lightning_worker.errors import WorkerError
from agent_lightning_worker.lora import Adapter, LoraSpec
from agent_lightning_worker.network import Network
from agent_lightning_worker.policy import Policy, Weights

_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
)
_PEFT_PREFIX = "base_model.model."


def save_state(policy: Policy, base_model: str, directory: Path) -> None:
    """Weights and moments in float32, the step and the critic. Training draws nothing at random, so this is all that it depends on."""
    _save_tensors(policy.parameters, directory / "weights.safetensors")
    _save_tensors(policy.optimizer.state(), directory / "optimizer.safetensors")
    meta = {"format": 1, "base_model": base_model, "step": policy.optimizer.steps, "lora": asdict(policy.spec)}
    if (critic := policy.critic.state()) is not None:
        _save_tensors(critic.tensors, directory / "critic.safetensors")
        meta["critic_step"] = critic.steps
    _write_json(directory / "state.json", meta)


def read_state(directory: Path) -> tuple[str, LoraSpec, int]:
    """The base model, what was trained, and the optimizer steps taken."""
    try:
        meta = json.loads((directory / "state.json").read_text())
        return meta["base_model"], LoraSpec(**meta["lora"]), meta["step"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WorkerError(
            f"path: {directory.name} is damaged: {error}", field="path", code="checkpoint-corrupt"
        ) from error


def load_state(policy: Policy, directory: Path, with_optimizer: bool) -> None:
    """@raises WorkerError when the state is that of another kind of policy; nothing has changed then"""
    _, spec, steps = read_state(directory)
    mine, saved = asdict(policy.spec), asdict(spec)
    for field in saved.keys() - {"seed"}:
        if mine[field] != saved[field]:
            raise WorkerError(
                f"path: the state was saved with {field} {saved[field]}, this model has {mine[field]}", field="path"
            )
    try:
        weights = load_file(directory / "weights.safetensors")
        moments = load_file(directory / "optimizer.safetensors") if with_optimizer else {}
        critic = _read_critic(directory, with_optimizer)
    except (OSError, SafetensorError) as error:
        raise WorkerError(
            f"path: {directory.name} is damaged: {error}", field="path", code="checkpoint-corrupt"
        ) from error
    policy.load(weights, moments, steps if with_optimizer else 0, critic)


def _read_critic(directory: Path, with_optimizer: bool) -> CriticState | None:
    """The critic of a state; None where none was trained."""
    steps = json.loads((directory / "state.json").read_text()).get("critic_step")
    if steps is None:
        return None
    return CriticState(load_file(directory / "critic.safetensors"), steps if with_optimizer else 0)


def save_adapter(weights: Weights, spec: LoraSpec, base_directory: Path, directory: Path) -> None:
    """A PEFT adapter directory, which PEFT and vLLM load. Tensors have the precision in which they were trained with."""
    from peft import LoraConfig  # here, because importing it takes seconds

    adapter = weights.adapter
    modules = adapter.modules()
    tensors = {
        f"{_PEFT_PREFIX}{name}.weight": tensor.to(weights.network.dtype) for name, tensor in adapter.tensors.items()
    }
    _save_tensors(tensors, directory / "adapter_model.safetensors")
    LoraConfig(
        base_model_name_or_path=str(base_directory),
        task_type="CAUSAL_LM",
        r=spec.rank,
        lora_alpha=int(spec.alpha) if spec.alpha == int(spec.alpha) else spec.alpha,
        lora_dropout=0.0,
        bias="none",
        target_modules=_name_targets(modules, weights.network.module),
        fan_in_fan_out=any(isinstance(weights.network.module.get_submodule(name), Conv1D) for name in modules),
        inference_mode=True,
    ).save_pretrained(directory)


def _name_targets(adapted: list[str], module: PreTrainedModel) -> list[str]:
    """Of each adapted layer the shortest end of its name that no other layer shares: GPT-2 has a c_proj in attention and MLP."""
    others = {name for name, _ in module.named_modules()} - set(adapted)
    taken = {end for name in others for end in _ends(name)}
    return sorted({next(end for end in _ends(name) if end not in taken) for name in adapted})


def _ends(name: str) -> list[str]:
    """Of `a.b.c`: `c`, `b.c`, `a.b.c`."""
    parts = name.split(".")
    return [".".join(parts[start:]) for start in reversed(range(len(parts)))]


def save_for_sampler(weights: Weights, spec: LoraSpec, base_directory: Path, directory: Path) -> None:
    """An adapter directory; where all weights were trained, a model directory."""
    if weights.adapter is None:
        save_model(weights, base_directory, directory)
    else:
        save_adapter(weights, spec, base_directory, directory)


def load_adapter(directory: Path, network: Network) -> Adapter:
    config = json.loads((directory / "adapter_config.json").read_text())
    tensors = {
        name.removeprefix(_PEFT_PREFIX).removesuffix(".weight"): tensor.to(network.device, network.dtype)
        for name, tensor in load_file(directory / "adapter_model.safetensors").items()
    }
    return Adapter(tensors, config["lora_alpha"] / config["r"])


def load_sampler_weights(directory: Path, base: Network) -> Weights:
    """What `save_adapter` or `save_model` wrote."""
    if (directory / "adapter_config.json").exists():
        return Weights(base, load_adapter(directory, base))
    return Weights(base.read_again(directory), None)


def save_model(weights: Weights, base_directory: Path, directory: Path) -> None:
    """An ordinary Hugging Face model directory with the adapter merged, and the base model's tokenizer."""
    module, adapter = weights.network.module, weights.adapter
    tensors = dict(module.state_dict())
    untied = False
    for name in adapter.modules() if adapter else []:
        part = module.get_submodule(name)
        tensors[f"{name}.weight"] = adapter.merged(name, part.weight, transposed=isinstance(part, Conv1D))
        untied = untied or (part is module.get_output_embeddings() and module.config.tie_word_embeddings)
    tied = module.config.tie_word_embeddings
    try:
        if untied:  # the head has moved away from the embeddings
            module.config.tie_word_embeddings = False
        module.save_pretrained(directory, state_dict=tensors)
    finally:
        module.config.tie_word_embeddings = tied
    for file in _TOKENIZER_FILES:
        if (base_directory / file).is_file():
            shutil.copyfile(base_directory / file, directory / file)


def _save_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    save_file({name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}, path, {"format": "pt"})


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n")
