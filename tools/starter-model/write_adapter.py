"""Turns a state that the worker saved into a PEFT adapter in float16.

python write_adapter.py STATE DIRECTORY
"""

import argparse
import json
from pathlib import Path

import torch
from peft import LoraConfig
from safetensors.torch import load_file, save_file


def main() -> None:
    parser = argparse.ArgumentParser(description="Turns a state that the worker saved into a PEFT adapter in float16.")
    parser.add_argument("state", type=Path)
    parser.add_argument("directory", type=Path)
    options = parser.parse_args()
    lora = json.loads((options.state / "state.json").read_text())["lora"]
    tensors = {
        f"base_model.model.{name}.weight": tensor.to(torch.float16)
        for name, tensor in load_file(options.state / "weights.safetensors").items()
    }
    layers = sorted({name.split(".")[-3] for name in tensors})
    config = LoraConfig(
        base_model_name_or_path="SmolLM2-135M-Instruct",
        task_type="CAUSAL_LM",
        r=lora["rank"],
        lora_alpha=int(lora["alpha"]),
        lora_dropout=0.0,
        bias="none",
        target_modules=layers,
        inference_mode=True,
    )
    config.save_pretrained(options.directory)
    path = options.directory / "adapter_config.json"
    written = json.loads(path.read_text())
    written["target_modules"].sort()  # peft keeps a set, whose order changes from run to run
    path.write_text(json.dumps(written, indent=2) + "\n")
    save_file(tensors, options.directory / "adapter_model.safetensors", {"format": "pt"})


if __name__ == "__main__":
    main()
