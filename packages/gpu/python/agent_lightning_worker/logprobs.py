"""Log-probabilities of given tokens in float32, a chunk of positions at a time, so that memory does not grow with the vocabulary."""

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from agent_lightning_worker.network import Network

CHUNK_POSITIONS = 1024
"""At a vocabulary of 151,936 a chunk's float32 logits take 0.62 GB; all of 8,192 positions would take 5 GB per copy."""


def token_logprobs(
    network: Network, hidden: Tensor, targets: Tensor, temperatures: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """log p(target) and the entropy of the whole distribution, softmax(logits / temperature), both in nats and float32.

    `hidden` (n, hidden), `targets` (n,), `temperatures` (n,), None for 1 → (n,), (n,). Only the log-probabilities carry a gradient; each chunk's logits are
    computed again for it.
    """
    logprobs: list[Tensor] = []
    entropies: list[Tensor] = []
    for start in range(0, len(targets), CHUNK_POSITIONS):
        part = slice(start, start + CHUNK_POSITIONS)
        entropy: list[Tensor] = []

        def chunk(h: Tensor, t: Tensor, part: slice = part, entropy: list[Tensor] = entropy) -> Tensor:
            logits = network.logits(h)
            if temperatures is not None:
                logits = logits / temperatures[part, None]
            normalizer = torch.logsumexp(logits, dim=-1)
            if not entropy:  # the first of the two passes
                with torch.no_grad():
                    entropy.append(normalizer - (torch.softmax(logits, dim=-1) * logits).sum(-1))
            return logits.gather(-1, t[:, None])[:, 0] - normalizer

        if torch.is_grad_enabled():
            logprobs.append(
                checkpoint(chunk, hidden[part], targets[part], use_reentrant=False, preserve_rng_state=False)
            )
        else:
            logprobs.append(chunk(hidden[part], targets[part]))
        entropies += entropy
    return torch.cat(logprobs), torch.cat(entropies)
