"""Continuous batching over one network: every step draws one token for every sequence, and new requests join between steps."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from agent_lightning_worker.datum import Datum
from agent_lightning_worker.errors import numerics
from agent_lightning_worker.lora import Adapter, RowAdapter
from agent_lightning_worker.network import Network
from agent_lightning_worker.policy import Weights, collect, run_batches
from agent_lightning_worker.random_streams import uniform
from agent_lightning_worker.row_cache import RowCache
from agent_lightning_worker.token_choice import SamplingParams, choose


@dataclass(frozen=True)
class SamplingLimits:
    """What may be under way at once; a single request may exceed it and then goes alone."""

    max_rows: int = 64
    cache_bytes: int = 2**31
    prefill_tokens: int = 8192


@dataclass(eq=False)
class SampleRequest:
    """Continuations of one prompt. `done` gets the answer in the protocol's form, `failed` what went wrong; one of them, once."""

    weights: Weights
    prompt: list[int]
    count: int
    params: SamplingParams
    prompt_temperature: float | None  # of the log-probabilities of the prompt; None where nobody wants them
    done: Callable[[dict[str, Any]], None]
    failed: Callable[[Exception], None]
    prompt_logprobs: list[float | None] | None = None
    error: Exception | None = None
    sequences: list["Sequence"] = field(default_factory=list)

    @property
    def longest(self) -> int:
        """Tokens that a sequence may come to, the prompt included."""
        return len(self.prompt) + self.params.max_tokens


@dataclass(eq=False)
class Sequence:
    """One continuation. Its newest token is not in the cache yet."""

    request: SampleRequest
    choice: int
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    stop_reason: str | None = None


class SamplingLane:
    def __init__(self, network: Network, tokenizer: PreTrainedTokenizerBase | None, limits: SamplingLimits) -> None:
        self._network = network
        self._tokenizer = tokenizer
        self._limits = limits
        self._waiting: deque[SampleRequest] = deque()
        self._rows: list[Sequence] = []
        self._cache: RowCache | None = None

    @property
    def busy(self) -> bool:
        return bool(self._waiting or self._rows)

    def add(self, request: SampleRequest) -> None:
        self._waiting.append(request)

    def fail_all(self, error: Exception) -> None:
        """Gives up whatever is under way or waits."""
        unfinished = dict.fromkeys([*(row.request for row in self._rows), *self._waiting])
        self._waiting.clear()
        self._rows, self._cache = [], None
        for request in unfinished:
            request.failed(error)

    @torch.no_grad()
    def step(self) -> None:
        """Takes in what waits and fits, else draws the next token of every sequence."""
        self._network.training_mode(False)
        if joining := self._admit():
            self._prefill(joining)
        else:
            self._decode()

    def _admit(self) -> list[SampleRequest]:
        joining: list[SampleRequest] = []
        rows = len(self._rows)
        longest = max((row.request.longest for row in self._rows), default=0)
        width = 0
        while self._waiting:
            request = self._waiting[0]
            rows, longest, width = rows + request.count, max(longest, request.longest), max(width, len(request.prompt))
            fits = (
                rows <= self._limits.max_rows
                and rows * longest * self._network.cache_bytes_per_token <= self._limits.cache_bytes
                and (len(joining) + 1) * width <= self._limits.prefill_tokens
            )
            if not fits and (self._rows or joining):
                break
            joining.append(self._waiting.popleft())
        return joining

    def _prefill(self, joining: list[SampleRequest]) -> None:
        """Runs each prompt once, whatever the number of requests and continuations that share it, and draws their first tokens."""
        rows = [Sequence(request, choice) for request in joining for choice in range(request.count)]
        before = self._rows
        self._rows = before + rows  # so that a failure from here on reaches them
        for request in joining:
            request.sequences = [row for row in rows if row.request is request]
            if request.prompt_temperature is not None:
                request.prompt_logprobs = prompt_logprobs(
                    request.weights, request.prompt, self._limits.prefill_tokens, request.prompt_temperature
                )
        prompts = list(dict.fromkeys(map(_prompt_of, joining)))  # the rollouts of a group begin with one prompt
        width = max(len(prompt) for prompt, _ in prompts)
        tokens, mask = np.zeros((len(prompts), width), dtype=np.int64), np.zeros((len(prompts), width), dtype=bool)
        for index, (prompt, _) in enumerate(prompts):
            tokens[index, width - len(prompt) :] = prompt
            mask[index, width - len(prompt) :] = True
        cache = RowCache(torch.from_numpy(mask).to(self._network.device))
        logits = self._extend(torch.from_numpy(tokens), cache, [adapter for _, adapter in prompts])
        index_of = {prompt: index for index, prompt in enumerate(prompts)}
        source = [index_of[_prompt_of(row.request)] for row in rows]
        self._draw(rows, logits[source])
        cache.keep(torch.tensor(source, device=self._network.device))
        if self._cache is None:
            self._cache = cache
        else:
            self._cache.join(cache)
        self._retire()

    def _decode(self) -> None:
        self._cache.grow()
        tokens = torch.tensor([[row.tokens[-1]] for row in self._rows])
        logits = self._extend(tokens, self._cache, [row.request.weights.adapter for row in self._rows])
        self._draw(self._rows, logits)
        self._retire()

    def _extend(self, tokens: Tensor, cache: RowCache, adapters: list[Adapter | None]) -> Tensor:
        """Runs the rightmost `tokens` (rows, L) of the cache's mask; returns the logits after them (rows, vocabulary)."""
        device = self._network.device
        positions = (cache.mask.long().cumsum(1) - 1).clamp(min=0)[:, -tokens.shape[1] :]
        distinct = dict.fromkeys(adapters)
        active: Adapter | list[RowAdapter] | None
        if len(distinct) == 1:
            active = adapters[0]
        else:
            active = [
                RowAdapter(
                    torch.tensor([i for i, other in enumerate(adapters) if other is adapter], device=device),
                    len(adapters),
                    adapter,
                )
                for adapter in distinct
                if adapter is not None
            ]
        with self._network.using(active):
            return self._network.extend(tokens.to(device), positions, cache.mask, cache.cache)

    def _draw(self, rows: list[Sequence], logits: Tensor) -> None:
        params = [row.request.params for row in rows]
        uniforms = [uniform(row.request.params.seed, row.choice, len(row.tokens)) for row in rows]
        for row, token, logprob in zip(rows, *choose(logits, params, uniforms), strict=True):
            if not math.isfinite(logprob):
                row.request.error = numerics("the model's distribution is not finite; its weights have diverged")
            row.tokens.append(token)
            row.logprobs.append(logprob)
            row.stop_reason = self._stop_reason(row) if row.request.error is None else "error"

    def _stop_reason(self, row: Sequence) -> str | None:
        params = row.request.params
        if row.tokens[-1] in params.stop_tokens:
            return "stop"
        if params.stop_texts:
            # Every token of a stop text but the first begins inside it, so this many tokens hold all of it.
            tail = max(len(text.encode()) for text in params.stop_texts) + 8
            text = self._tokenizer.decode(row.tokens[-tail:], skip_special_tokens=False)
            if any(stop in text for stop in params.stop_texts):
                return "stop"
        return "length" if len(row.tokens) >= params.max_tokens else None

    def _retire(self) -> None:
        """Answers the requests whose last sequence has ended, and keeps the rows that go on."""
        going = [index for index, row in enumerate(self._rows) if row.stop_reason is None]
        if len(going) == len(self._rows):
            return
        ended = dict.fromkeys(row.request for row in self._rows if row.stop_reason is not None)
        self._rows = [self._rows[index] for index in going]
        if going:
            self._cache.keep(torch.tensor(going, device=self._network.device))
        else:
            self._cache = None
        for request in ended:
            if all(row.stop_reason is not None for row in request.sequences):
                if request.error is None:
                    request.done(_answer(request))
                else:
                    request.failed(request.error)


def _prompt_of(request: SampleRequest) -> tuple[tuple[int, ...], Adapter | None]:
    return tuple(request.prompt), request.weights.adapter


def prompt_logprobs(
    weights: Weights, prompt: list[int], token_budget: int, temperature: float = 1.0
) -> list[float | None]:
    """log p of each prompt token after those before it, in nats at a temperature; None for the first."""
    if len(prompt) == 1:
        return [None]
    tokens = np.asarray(prompt, dtype=np.int64)
    temperatures = None if temperature == 1 else np.full(len(prompt) - 1, temperature, dtype=np.float32)
    datum = Datum(tokens[:-1], tokens[1:], {}, np.ones(len(prompt) - 1, dtype=bool), temperatures)
    result = collect([datum], run_batches(weights, [datum], token_budget), 0.0)
    return [None, *result.logprobs[0].tolist()]


def _answer(request: SampleRequest) -> dict[str, Any]:
    sequences = [
        {"tokens": row.tokens, "logprobs": row.logprobs, "stop_reason": row.stop_reason} for row in request.sequences
    ]
    extra = {} if request.prompt_logprobs is None else {"prompt_logprobs": request.prompt_logprobs}
    return {"type": "sample", "sequences": sequences, **extra}
