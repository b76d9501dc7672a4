"""Which sequences share a forward pass, and how they lie in it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from agent_lightning_worker.datum import Datum


@dataclass(frozen=True)
class Batch:
    """Sequences laid out for one forward pass: end to end in one row, or one per row with padding behind."""

    members: list[int]
    tokens: Tensor  # (1, total) or (B, longest)
    positions: Tensor  # as tokens; restarts at 0 with each sequence
    lengths: list[int] | None  # of the packed sequences; None where padded
    mask: Tensor | None  # (B, longest), False on padding; None where packed
    wanted: Tensor  # (n,) indices into the flattened positions, by member, then position
    targets: Tensor  # (n,)
    temperatures: Tensor | None  # (n,); None where all are 1


def plan(lengths: Sequence[int], token_budget: int, packed: bool) -> list[list[int]]:
    """Groups sequences so that each group costs at most `token_budget` tokens, a longer sequence going alone.

    Packed groups are filled first-fit decreasing; padded ones hold neighbours in length, which wastes least.
    """
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    groups: list[list[int]] = []
    costs: list[int] = []
    for index in order:
        if packed:
            place = next((i for i, cost in enumerate(costs) if cost + lengths[index] <= token_budget), None)
        else:  # the first of a group is its longest
            fits = bool(groups) and (len(groups[-1]) + 1) * lengths[groups[-1][0]] <= token_budget
            place = len(groups) - 1 if fits else None
        if place is None:
            groups.append([index])
            costs.append(lengths[index])
        else:
            groups[place].append(index)
            costs[place] += lengths[index]
    return groups


def lay_out(data: Sequence[Datum], members: list[int], packed: bool, device: torch.device) -> Batch:
    """Builds the tensors of one group."""
    chosen = [data[index] for index in members]
    lengths = [len(datum) for datum in chosen]
    width = sum(lengths) if packed else max(lengths)
    starts = np.cumsum([0, *lengths[:-1]]) if packed else np.arange(len(chosen)) * width
    tokens = np.zeros((1 if packed else len(chosen)) * width, dtype=np.int64)
    positions = np.zeros_like(tokens)
    mask = np.zeros(len(tokens), dtype=bool)
    for datum, start, length in zip(chosen, starts, lengths, strict=True):
        tokens[start : start + length] = datum.tokens
        positions[start : start + length] = np.arange(length)
        mask[start : start + length] = True
    wanted = np.concatenate([start + np.flatnonzero(datum.wanted) for datum, start in zip(chosen, starts, strict=True)])
    targets = np.concatenate([datum.targets[datum.wanted] for datum in chosen])
    temperatures = _temperatures(chosen)

    def tensor(array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(device)

    return Batch(
        members=members,
        tokens=tensor(tokens.reshape(-1, width)),
        positions=tensor(positions.reshape(-1, width)),
        lengths=lengths if packed else None,
        mask=None if packed else tensor(mask.reshape(-1, width)),
        wanted=tensor(wanted),
        targets=tensor(targets.astype(np.int64)),
        temperatures=None if temperatures is None else tensor(temperatures),
    )


def _temperatures(chosen: Sequence[Datum]) -> np.ndarray | None:
    """Those of the wanted positions, (n,)."""
    if all(datum.temperatures is None for datum in chosen):
        return None
    return np.concatenate(
        [
            np.ones(datum.wanted.sum(), np.float32) if datum.temperatures is None else datum.temperatures[datum.wanted]
            for datum in chosen
        ]
    )
