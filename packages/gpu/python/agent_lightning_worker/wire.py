"""Checks the protocol's request bodies and turns them into this worker's own types."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from agent_lightning_worker import critic
from agent_lightning_worker.datum import Datum
from agent_lightning_worker.errors import WorkerError
from agent_lightning_worker.fields import Fields
from agent_lightning_worker.lora import LoraSpec
from agent_lightning_worker.losses import LOSSES, ClipBounds, Loss
from agent_lightning_worker.optimizer import AdamParams
from agent_lightning_worker.token_choice import SamplingParams

LORA_ALPHA = 32.0
"""The Tinker API's, which has no such field."""
MAX_RANK = 512
MAX_SAMPLES = 1024
MAX_INTEGER = 2**63 - 1
LEAST_TEMPERATURE = 1e-3
"""Below it, logits over the temperature leave the range in which float32 tells tokens apart."""
OPTIMIZER = "adamw"
"""The one optimizer, by the Tinker API's name."""
IGNORED = ("type", "user_metadata", "tags", "sdk_version", "project_id")
"""Labels that change nothing."""


@dataclass(frozen=True)
class ModelLimits:
    vocabulary: int
    max_tokens: int


@dataclass(frozen=True)
class PassRequest:
    data: list[Datum]
    loss_name: str
    clip: ClipBounds
    trunk_weight: float | None
    """Given where the critic learns."""
    with_values: bool


def read_lora(fields: Fields, seed: int) -> LoraSpec:
    spec = LoraSpec(
        rank=fields.integer("rank", 0, MAX_RANK),
        alpha=fields.number("alpha", 1e-6, 1e6, LORA_ALPHA),
        seed=fields.integer("seed", 0, MAX_INTEGER, seed),
        train_attn=fields.flag("train_attn", True),
        train_mlp=fields.flag("train_mlp", True),
        train_unembed=fields.flag("train_unembed", False),
    )
    fields.done()
    return spec


def check_optimizer(fields: Fields) -> None:
    """@raises WorkerError for an optimizer that this worker does not have"""
    config = fields.object("optimizer_config", {"type": OPTIMIZER})
    if (kind := config.text("type")) != OPTIMIZER:
        raise config.wrong("type", f"{OPTIMIZER!r}, the optimizer that this worker has", kind)
    config.done()


def read_adam(fields: Fields) -> AdamParams:
    adam = AdamParams(
        learning_rate=fields.number("learning_rate", 0, 1e3, AdamParams.learning_rate),
        beta1=fields.number("beta1", 0, 1, AdamParams.beta1, below=True),
        beta2=fields.number("beta2", 0, 1, AdamParams.beta2, below=True),
        eps=fields.number("eps", 0, 1, AdamParams.eps),
        weight_decay=fields.number("weight_decay", 0, 1e3, AdamParams.weight_decay),
        grad_clip_norm=fields.number("grad_clip_norm", 0, 1e12, AdamParams.grad_clip_norm),
        critic_learning_rate=fields.number("critic_learning_rate", 0, 1e3, None),
    )
    fields.done()
    return adam


def read_pass(fields: Fields, limits: ModelLimits, *, forward_only: bool) -> PassRequest:
    loss_name = fields.text("loss_fn")
    loss = LOSSES.get(loss_name)
    if loss is None:
        raise fields.wrong("loss_fn", f"one of {', '.join(LOSSES)}", loss_name, "loss-unsupported")
    config = fields.object("loss_fn_config", {})
    clip = ClipBounds()
    if loss.clips:
        low = config.number("clip_low_threshold", 0, 1e6, clip.low)
        high = config.number("clip_high_threshold", low, 1e6, max(low, clip.high))
        has_dual = loss.dual_clips and config.has("dual_clip_threshold")
        clip = ClipBounds(low, high, config.number("dual_clip_threshold", 1, 1e6, 3.0) if has_dual else None)
    trunk_weight = None if forward_only else config.number("value_trunk_weight", 0, 1e6, None)
    with_values = forward_only and config.number("values", 0, 1, 0) == 1
    config.done()
    names = loss.inputs + (critic.INPUTS if trunk_weight is not None else ())
    items = fields.array("data")
    if not items:
        raise fields.wrong("data", "at least one datum", items, "samples-invalid")
    try:
        data = [
            _read_datum(Fields(item, fields.name(f"data[{index}]")), loss, names, limits, forward_only)
            for index, item in enumerate(items)
        ]
    except WorkerError as error:
        error.code = "samples-invalid"
        raise
    fields.done()
    return PassRequest(data, loss_name, clip, trunk_weight, with_values)


def _read_datum(fields: Fields, loss: Loss, names: tuple[str, ...], limits: ModelLimits, forward_only: bool) -> Datum:
    """`names`: the tensors that the losses read."""
    tokens = np.asarray(read_tokens(fields.object("model_input"), limits), dtype=np.int64)
    inputs = fields.object("loss_fn_inputs")
    targets = _tensor(inputs, "target_tokens", len(tokens), np.int64)
    if (bad := (targets < 0) | (targets >= limits.vocabulary)).any():
        where = int(bad.argmax())
        raise inputs.wrong(
            "target_tokens", f"token ids in 0…{limits.vocabulary - 1}", f"{targets[where]} at position {where}"
        )
    tensors = {
        name: _tensor(inputs, name, len(tokens), np.float32) for name in names if inputs.has(name) or not forward_only
    }
    counted = np.zeros(len(tokens), dtype=bool)
    for gate in (loss.gate, "value_weights"):
        if gate in tensors:
            counted |= tensors[gate] != 0
    if inputs.has("mask"):
        wanted = _tensor(inputs, "mask", len(tokens), np.float32) != 0
        if (counted & ~wanted).any():
            where = int((counted & ~wanted).argmax())
            gates = loss.gate if "value_weights" not in tensors else f"{loss.gate} or value_weights"
            raise inputs.wrong("mask", f"1 wherever {gates} is not 0", f"0 at position {where}")
    else:
        # The official client asks for all log-probabilities by weights that are all 0.
        wanted = np.ones(len(tokens), dtype=bool) if forward_only and not counted.any() else counted
    temperatures = _temperatures(inputs, len(tokens))
    inputs.done()
    fields.done()
    return Datum(tokens, targets, tensors, wanted, temperatures)


def _temperatures(inputs: Fields, length: int) -> np.ndarray | None:
    """This worker's own tensor `temperature`: what each target was sampled at; without it, 1."""
    if not inputs.has("temperature"):
        return None
    temperatures = _tensor(inputs, "temperature", length, np.float32)
    if (bad := temperatures < LEAST_TEMPERATURE).any():
        where = int(bad.argmax())
        raise inputs.wrong(
            "temperature", f"numbers of at least {LEAST_TEMPERATURE}", f"{temperatures[where]} at position {where}"
        )
    return temperatures


def _tensor(fields: Fields, key: str, length: int, dtype: type) -> np.ndarray:
    """A `{"data", "dtype", "shape"?}` of one dimension."""
    tensor = fields.object(key)
    values = tensor.array("data")
    declared = tensor.text("dtype", "int64" if dtype is np.int64 else "float32")
    if declared not in ("int64", "float32") or (dtype is np.int64 and declared != "int64"):
        raise tensor.wrong("dtype", "int64" if dtype is np.int64 else "float32 or int64", declared)
    shape = tensor.get("shape", [len(values)])
    if shape != [len(values)]:
        raise tensor.wrong("shape", f"[{len(values)}], the length of data", shape)
    tensor.done()
    if len(values) != length:
        raise tensor.wrong("data", f"{length} values, one for each token of model_input", f"{len(values)} values")
    allowed = (int,) if dtype is np.int64 else (int, float)
    array = np.zeros(length, dtype=np.float64)
    wrong = next((index for index, value in enumerate(values) if type(value) not in allowed), None)
    if wrong is None:
        try:
            array = np.asarray(values, dtype=np.int64 if dtype is np.int64 else np.float64)
        except OverflowError:
            wrong = next(index for index, value in enumerate(values) if not -(2**63) <= value < 2**63)
    if wrong is None and dtype is np.float32:
        with np.errstate(over="ignore"):
            array = array.astype(np.float32)
        if not np.isfinite(array).all():
            wrong = int((~np.isfinite(array)).argmax())
    if wrong is not None:
        expected = "integers" if dtype is np.int64 else "finite numbers"
        raise tensor.wrong("data", expected, f"{values[wrong]!r} at position {wrong}")
    return array


def read_tokens(fields: Fields, limits: ModelLimits) -> list[int]:
    """The token ids of a `model_input` or `prompt`."""
    tokens: list[int] = []
    for index, item in enumerate(fields.array("chunks")):
        chunk = Fields(item, fields.name(f"chunks[{index}]"))
        if chunk.text("type", "encoded_text") != "encoded_text":
            raise chunk.wrong("type", "encoded_text (this worker trains on text alone)", item.get("type"))
        ids = chunk.array("tokens")
        wrong = next((i for i, t in enumerate(ids) if type(t) is not int or not 0 <= t < limits.vocabulary), None)
        if wrong is not None:
            raise chunk.wrong(
                "tokens", f"token ids in 0…{limits.vocabulary - 1}", f"{ids[wrong]!r} at position {wrong}"
            )
        chunk.done()
        tokens += ids
    if not 1 <= len(tokens) <= limits.max_tokens:
        raise fields.wrong("chunks", f"1…{limits.max_tokens} tokens in all", f"{len(tokens)} tokens")
    fields.done()
    return tokens


def read_sampling(
    fields: Fields, room: int, seed: int, end_tokens: frozenset[int], has_tokenizer: bool
) -> SamplingParams:
    """`room`: tokens that the context leaves after the prompt; `max_tokens` is cut to it. `seed`: for a request without."""
    stop: Any = fields.get("stop", None)
    stops = [stop] if isinstance(stop, str) else [] if stop is None else stop
    if not isinstance(stops, list) or not all(type(s) is int or (isinstance(s, str) and s) for s in stops):
        raise fields.wrong("stop", "a text, an array of texts, or an array of token ids", stop)
    texts = tuple(s for s in stops if isinstance(s, str))
    if texts and not has_tokenizer:
        raise WorkerError(
            f"{fields.name('stop')}: the model's directory has no tokenizer, so only token ids can stop",
            field=fields.name("stop"),
        )
    params = SamplingParams(
        max_tokens=min(room, fields.integer("max_tokens", 1, 2**31, room)),
        temperature=fields.number("temperature", 0, 100, 1.0),
        top_k=fields.integer("top_k", -1, 2**31, -1),
        top_p=fields.number("top_p", 1e-6, 1, 1.0),
        seed=fields.integer("seed", 0, MAX_INTEGER, seed),
        stop_texts=texts,
        # An empty list disables the model's own ends too; no list keeps them.
        stop_tokens=frozenset() if stop == [] else end_tokens | {s for s in stops if type(s) is int},
    )
    if 0 < params.temperature < LEAST_TEMPERATURE:
        raise fields.wrong("temperature", f"0 (greedy) or at least {LEAST_TEMPERATURE}", params.temperature)
    fields.done()
    return params


def tensor_body(values: np.ndarray) -> dict[str, Any]:
    return {"data": values.tolist(), "dtype": "float32", "shape": [len(values)]}
