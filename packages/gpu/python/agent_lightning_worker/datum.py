"""What is trained on: one token sequence and what the loss needs to know of each of its positions."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Datum:
    """Arrays of one length N; position i is about predicting `targets[i]` after `tokens[0..i]`.

    `inputs` holds the loss's own tensors in float32: `weights`, or `logprobs` (nats, of the sampler) and `advantages`.
    `wanted` marks the positions whose log-probability is computed; no other position costs logits. `temperatures` are those
    that the targets were sampled at: log-probabilities, entropy and gradient are of softmax(logits / temperature).
    """

    tokens: np.ndarray
    targets: np.ndarray
    inputs: dict[str, np.ndarray]
    wanted: np.ndarray
    temperatures: np.ndarray | None = None  # float32, above 0; None where all are 1

    def __len__(self) -> int:
        return len(self.tokens)
