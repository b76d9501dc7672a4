"""From the command line's options to a worker that is ready to start."""

import argparse
import logging
from pathlib import Path

import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase
from transformers.utils.logging import disable_progress_bar

from agent_lightning_worker.errors import WorkerError
from agent_lightning_worker.network import Network, load_network
from agent_lightning_worker.sampling_lane import SamplingLimits
from agent_lightning_worker.state_directory import StateDirectory
from agent_lightning_worker.worker import Worker, WorkerOptions

log = logging.getLogger(__name__)


def create_worker(options: argparse.Namespace) -> Worker:
    """@raises WorkerError when model, device or state directory cannot be used"""
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    device = _device(options.device)
    dtypes = {"auto": torch.bfloat16 if device.type == "cuda" else torch.float32}
    dtype = dtypes | {"float32": torch.float32, "bfloat16": torch.bfloat16}
    checkpointing = {"on": True, "off": False, "auto": device.type == "cuda"}[options.gradient_checkpointing]
    disable_progress_bar()
    log.info("loading %s", options.model)
    network = load_network(options.model, device, dtype[options.dtype], checkpointing, options.attention)
    tokenizer = _tokenizer(options.model)
    limit = getattr(network.module.config.get_text_config(), "max_position_embeddings", None) or 2**20
    if options.max_context is not None and options.max_context > limit:
        raise WorkerError(f"--max-context {options.max_context} is more than the model's {limit} positions")
    directory = options.model.resolve()
    worker_options = WorkerOptions(
        model_name=options.model_name or directory.name,
        model_directory=directory,
        max_context=options.max_context or limit,
        token_budget=options.token_budget,
        seed=options.seed,
        session_timeout_seconds=options.session_timeout,
        sampling=SamplingLimits(options.sampler_rows, int(options.sampler_memory * 2**30), options.token_budget),
    )
    return Worker(network, tokenizer, _end_tokens(network), StateDirectory(options.state_dir), worker_options)


def _device(name: str) -> torch.device:
    try:
        device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)
    except RuntimeError as error:
        raise WorkerError(f"--device {name}: {error}") from error
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(device.type, False):
        raise WorkerError(f"--device {name}: this PyTorch ({torch.__version__}) has no such device; use cpu")
    return device


def _tokenizer(directory: Path) -> PreTrainedTokenizerBase | None:
    """Only stop texts need it."""
    try:
        return AutoTokenizer.from_pretrained(directory, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        log.warning("no tokenizer in %s (%s); only token ids can stop a sample", directory, error)
        return None


def _end_tokens(network: Network) -> frozenset[int]:
    """The ids that end a sequence, as transformers' and vLLM's samplers have them."""
    module = network.module
    ids = module.generation_config.eos_token_id if module.generation_config is not None else None
    ids = ids if ids is not None else module.config.get_text_config().eos_token_id
    return frozenset([ids] if isinstance(ids, int) else ids or [])
