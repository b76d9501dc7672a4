"""A GPU training worker: LoRA and full fine-tuning of one causal language model over HTTP."""

__version__ = "0.1.0"
