"""Keys and values of sequences of unequal length, aligned at their newest token: what lies left of a sequence is masked."""

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers.cache_utils import DynamicCache


class RowCache:
    """`mask` (rows, width) is True where a row has a token; `cache` holds keys and values (rows, heads, width, head)."""

    def __init__(self, mask: Tensor) -> None:
        self.mask = mask
        self.cache = DynamicCache()

    @property
    def lengths(self) -> Tensor:
        """(rows,): tokens of each row, so also the position of its next one."""
        return self.mask.sum(1)

    def grow(self) -> None:
        """Makes room in the mask for the token that each row is about to add."""
        self.mask = F.pad(self.mask, (0, 1), value=True)

    def keep(self, rows: Tensor) -> None:
        """Keeps these rows, in this order (one may come twice), and drops the columns that none of them uses."""
        mask = self.mask[rows]
        unused = int(mask.shape[1] - mask.sum(1).max()) if len(rows) else mask.shape[1]
        self.mask = mask[:, unused:]
        for layer in self.cache.layers:
            layer.keys, layer.values = layer.keys[rows, :, unused:], layer.values[rows, :, unused:]

    def join(self, other: "RowCache") -> None:
        """Adds the rows of another cache below these."""
        width = max(self.mask.shape[1], other.mask.shape[1])

        def widened(table: Tensor, missing: int, axis: int) -> Tensor:
            return F.pad(table, (missing, 0) if axis == 1 else (0, 0, missing, 0))

        here, there = width - self.mask.shape[1], width - other.mask.shape[1]
        self.mask = torch.cat([widened(self.mask, here, 1), widened(other.mask, there, 1)])
        for mine, theirs in zip(self.cache.layers, other.cache.layers, strict=True):
            mine.keys = torch.cat([widened(mine.keys, here, 2), widened(theirs.keys, there, 2)])
            mine.values = torch.cat([widened(mine.values, here, 2), widened(theirs.values, there, 2)])
