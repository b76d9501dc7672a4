"""Uniform numbers that depend on nothing but where they are used, so that batching cannot change a sample."""

import hashlib
import struct


def uniform(seed: int, choice: int, position: int) -> float:
    """In [0, 1): the number with which a request of this seed draws token `position` of its `choice`-th sequence."""
    digest = hashlib.blake2b(struct.pack("<QQQ", seed & (2**64 - 1), choice, position), digest_size=8).digest()
    return (int.from_bytes(digest, "little") >> 12) / 2**52
