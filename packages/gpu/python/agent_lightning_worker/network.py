"""One causal language model: token ids to hidden states, hidden states to logits, and what its checks at load found."""

import copy
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.cache_utils import DynamicCache

from agent_lightning_worker.attention import PACKED_ATTENTION, packed, register
from agent_lightning_worker.errors import WorkerError
from agent_lightning_worker.lora import Adapter, AdapterSlot, RowAdapter
from agent_lightning_worker.transformers_names import cache_argument, enable_checkpointing, is_checkpointing

log = logging.getLogger(__name__)


class Network:
    """A model's body and head, kept apart so that logits are only made where they are needed."""

    def __init__(self, module: PreTrainedModel, *, can_pack: bool = False, slot: AdapterSlot | None = None) -> None:
        self.module = module
        self.can_pack = can_pack
        self.cache_bytes_per_token = 0
        """Of keys and values, measured at load; 0 where the model cannot be sampled here."""
        self._slot = slot
        parameter = next(module.parameters())
        self.device, self.dtype = parameter.device, parameter.dtype
        self.vocabulary = module.config.get_text_config().vocab_size
        self.width = module.get_output_embeddings().weight.shape[-1]
        """Numbers of the hidden state that the head reads."""

    @contextmanager
    def using(self, adapter: Adapter | list[RowAdapter] | None) -> Iterator[None]:
        if self._slot is not None:
            with self._slot.using(adapter):
                yield
        elif adapter is None:
            yield
        else:
            raise AssertionError("an adapter for a network without hooks")

    def hidden(self, tokens: Tensor, positions: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, L) → (B, L, hidden). `mask`: True where a token is, False on padding."""
        body = self.module.base_model
        return body(input_ids=tokens, position_ids=positions, attention_mask=mask, use_cache=False).last_hidden_state

    def extend(self, tokens: Tensor, positions: Tensor, mask: Tensor, cache: DynamicCache) -> Tensor:
        """Adds tokens (B, L) to the cache and returns the logits after the last one (B, vocabulary)."""
        body = self.module.base_model
        past = {cache_argument(type(body)): cache}
        output = body(input_ids=tokens, position_ids=positions, attention_mask=mask, use_cache=True, **past)
        return self.logits(output.last_hidden_state[:, -1])

    def logits(self, hidden: Tensor) -> Tensor:
        """(…, hidden) → (…, vocabulary), float32 from here on."""
        config = self.module.config.get_text_config()
        logits = self.module.get_output_embeddings()(hidden).to(at_least_float32(self.dtype))
        if scale := getattr(config, "logit_scale", None):  # Cohere
            logits = logits * scale
        if scaling := getattr(config, "logits_scaling", None):  # Granite
            logits = logits / scaling
        if cap := getattr(config, "final_logit_softcapping", None):  # Gemma
            logits = torch.tanh(logits / cap) * cap
        return logits

    def training_mode(self, training: bool) -> None:
        """transformers recomputes layers only in training mode; nothing else differs, since dropout is off."""
        if self.module.training != training:
            self.module.train(training)

    def copy(self, dtype: torch.dtype | None = None) -> "Network":
        """The same model with weights of its own and no adapters."""
        config = copy.deepcopy(self.module.config)
        with torch.device(self.device):
            twin = AutoModelForCausalLM.from_config(
                config, dtype=dtype or self.dtype, attn_implementation=self.module.config._attn_implementation
            )
        twin.load_state_dict(self.module.state_dict())
        return self._twin(twin, is_checkpointing(self.module))

    def read_again(self, directory: Path) -> "Network":
        """Weights that were saved of a copy. Nothing is computed, so that any thread may call it."""
        attention = self.module.config._attn_implementation
        module = read_module(directory, self.device, at_least_float32(self.dtype), attention)
        return self._twin(module, gradient_checkpointing=False)

    def _twin(self, module: PreTrainedModel, gradient_checkpointing: bool) -> "Network":
        """What holds of this model at its load holds of another of the same shape."""
        prepare(module, gradient_checkpointing)
        network = Network(module, can_pack=self.can_pack)
        network.cache_bytes_per_token = self.cache_bytes_per_token * network.dtype.itemsize // self.dtype.itemsize
        return network


def at_least_float32(dtype: torch.dtype) -> torch.dtype:
    return torch.promote_types(dtype, torch.float32)


def prepare(module: PreTrainedModel, gradient_checkpointing: bool) -> None:
    """Freezes the weights and turns off everything random, so that the same input gives the same output."""
    module.requires_grad_(False)
    for part in module.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
        if isinstance(getattr(part, "attention_dropout", None), float):
            part.attention_dropout = 0.0
    if gradient_checkpointing:
        enable_checkpointing(module)
    module.eval()


def load_network(
    directory: Path, device: torch.device, dtype: torch.dtype, gradient_checkpointing: bool, attention: str = "packed"
) -> Network:
    """The model in `directory`, with hooks for adapters. `attention`: "packed", or an implementation of transformers.

    @raises WorkerError when the directory holds no causal language model that can be trained exactly
    """
    module = read_module(directory, device, dtype, None if attention == "packed" else attention)
    return wrap(module, gradient_checkpointing, attention)


def read_module(directory: Path, device: torch.device, dtype: torch.dtype, attention: str | None) -> PreTrainedModel:
    """@raises WorkerError when the directory holds no causal language model; code in it is never run"""
    try:
        return AutoModelForCausalLM.from_pretrained(
            directory, dtype=dtype, attn_implementation=attention, trust_remote_code=False
        ).to(device)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise WorkerError(
            f"--model {directory}: no causal language model could be loaded: {error}", field="model"
        ) from error


def wrap(module: PreTrainedModel, gradient_checkpointing: bool, attention: str = "packed") -> Network:
    """A network around a loaded model, after the checks."""
    prepare(module, gradient_checkpointing)
    check_head(module)
    can_pack = attention == "packed" and _check_packing(module)
    network = Network(module, can_pack=can_pack, slot=AdapterSlot(module))
    network.cache_bytes_per_token = _check_cache(network)
    return network


@torch.no_grad()
def check_head(module: PreTrainedModel) -> None:
    """Body, then head, must be the whole model, or every log-probability would be wrong."""
    tokens = _probe(module, 1, 8)
    plain = Network(module)
    whole = module(input_ids=tokens, use_cache=False).logits
    parts = plain.logits(plain.hidden(tokens, torch.arange(8, device=plain.device)[None]))
    if not torch.allclose(whole.to(parts.dtype), parts, rtol=1e-2, atol=_tolerance(module)):
        raise WorkerError(
            f"{type(module).__name__} changes its logits after the output layer in a way that this worker does not know; "
            "it would train on wrong log-probabilities",
            field="model",
        )


@torch.no_grad()
def _check_packing(module: PreTrainedModel) -> bool:
    """Whether a packed sequence is what it is alone, whatever stands before it. Else sequences are padded."""
    register()
    before = module.config._attn_implementation
    plain = Network(module)
    positions = torch.cat([torch.arange(5), torch.arange(7)])[None].to(plain.device)
    first, second, other = _probe(module, 1, 5), _probe(module, 1, 7), _probe(module, 1, 5).flip(1)
    try:
        alone = plain.hidden(second, positions[:, 5:])
        module.set_attn_implementation(PACKED_ATTENTION)
        with packed([5, 7]):
            together, beside = (
                plain.hidden(torch.cat([neighbour, second], 1), positions)[:, 5:] for neighbour in (first, other)
            )
        if torch.equal(together, beside) and torch.allclose(
            together.float(), alone.float(), rtol=1e-2, atol=_tolerance(module)
        ):
            return True
        reason = "its attention reaches across packed sequences"
    except Exception as error:  # whatever a model's own code may raise means the same: not packable
        reason = f"{type(error).__name__}: {error}"
    module.set_attn_implementation(before)
    log.warning("%s cannot be packed (%s); sequences are padded instead", type(module).__name__, reason)
    return False


@torch.no_grad()
def _check_cache(network: Network) -> int:
    """Bytes per cached token, if two rows of unequal length can be sampled together from an ordinary cache; else 0."""
    tokens = _probe(network.module, 2, 6)
    mask = torch.ones_like(tokens, dtype=torch.bool)
    mask[1, :2] = False
    positions = (mask.long().cumsum(1) - 1).clamp(min=0)
    try:
        cache = DynamicCache()
        network.extend(tokens[:, :5], positions[:, :5], mask[:, :5], cache)
        stepped = network.extend(tokens[:, 5:], positions[:, 5:], mask, cache)
        row = tokens[1:, 2:]
        alone = network.logits(network.hidden(row, torch.arange(4, device=network.device)[None])[:, -1])
        if torch.allclose(stepped[1:], alone, rtol=1e-2, atol=_tolerance(network.module)):
            return sum(t.nbytes for layer in cache.layers for t in (layer.keys, layer.values)) // tokens.numel()
        reason = "its cache depends on the padding"
    except Exception as error:  # as above: not samplable
        reason = f"{type(error).__name__}: {error}"
    log.warning("%s cannot be sampled here (%s)", type(network.module).__name__, reason)
    return 0


def _probe(module: PreTrainedModel, rows: int, length: int) -> Tensor:
    """Token ids (rows, length) that differ from each other where the vocabulary allows."""
    vocabulary = module.config.get_text_config().vocab_size
    return (torch.arange(rows * length, device=module.device).reshape(rows, length) * 7 + 3) % vocabulary


def _tolerance(module: PreTrainedModel) -> float:
    return 1e-3 if module.dtype in (torch.float32, torch.float64) else 0.25
