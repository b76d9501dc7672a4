"""Names that releases of transformers 5 give to the same thing: the pinned one has the older, and newer ones warn of them."""

import inspect
from functools import cache

from transformers import PreTrainedModel


def enable_checkpointing(module: PreTrainedModel) -> None:
    """Layers are computed again in the backward pass instead of being kept."""
    enable = getattr(module, "activation_checkpointing_enable", None) or module.gradient_checkpointing_enable
    enable({"use_reentrant": False})


def is_checkpointing(module: PreTrainedModel) -> bool:
    newer = hasattr(type(module), "is_activation_checkpointing")
    return getattr(module, "is_activation_checkpointing" if newer else "is_gradient_checkpointing", False)


@cache
def cache_argument(kind: type[PreTrainedModel]) -> str:
    """The name under which this kind of model takes keys and values of earlier tokens."""
    return "cache" if "cache" in inspect.signature(kind.forward).parameters else "past_key_values"
