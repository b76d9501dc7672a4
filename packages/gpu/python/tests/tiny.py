"""Checkpoints that tests make for themselves: random weights, a byte-level tokenizer, no hub."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
)

VOCABULARY = 300
END_OF_TEXT = 256


def llama(**changes) -> PreTrainedModel:
    """Untied head, grouped keys, 2 layers of 64."""
    torch.manual_seed(1)
    shape = dict(
        vocab_size=VOCABULARY,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        initializer_range=0.2,
        eos_token_id=END_OF_TEXT,
        bos_token_id=None,
        attention_dropout=0.1,
    )
    return LlamaForCausalLM(LlamaConfig(**shape | changes)).eval()


def qwen3(**changes) -> PreTrainedModel:
    """Tied head, normed queries and keys, 3 layers of 64."""
    torch.manual_seed(2)
    shape = dict(
        vocab_size=VOCABULARY,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=256,
        initializer_range=0.2,
        tie_word_embeddings=True,
        eos_token_id=END_OF_TEXT,
        bos_token_id=None,
    )
    return Qwen3ForCausalLM(Qwen3Config(**shape | changes)).eval()


def tokenizer() -> PreTrainedTokenizerFast:
    """One token a byte, then the end of text."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {symbol: index for index, symbol in enumerate(alphabet)} | {"<|endoftext|>": END_OF_TEXT}
    inner = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    inner.add_special_tokens(["<|endoftext|>"])
    return PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<|endoftext|>")


def write_checkpoint(model: PreTrainedModel, directory: Path) -> Path:
    model.save_pretrained(directory)
    tokenizer().save_pretrained(directory)
    return directory
