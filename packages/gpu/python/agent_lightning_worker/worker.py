"""What the routes share: the model, who uses it, what is under way."""

import hashlib
import itertools
import json
import logging
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from agent_lightning_worker.device_thread import DeviceThread
from agent_lightning_worker.errors import WorkerError
from agent_lightning_worker.fields import Fields
from agent_lightning_worker.futures import Future, Futures
from agent_lightning_worker.network import Network
from agent_lightning_worker.policy import Policy, Weights
from agent_lightning_worker.registry import Model, Registry, SamplingSession
from agent_lightning_worker.sampler import Sampler
from agent_lightning_worker.sampling_lane import SampleRequest, SamplingLimits
from agent_lightning_worker.sessions import Sessions
from agent_lightning_worker.state_directory import StateDirectory
from agent_lightning_worker.wire import MAX_INTEGER, ModelLimits

log = logging.getLogger(__name__)

Json = dict[str, Any]


@dataclass(frozen=True)
class WorkerOptions:
    """`max_context`: tokens of the longest sequence; `token_budget`: tokens of one forward pass."""

    model_name: str
    model_directory: Path
    max_context: int
    token_budget: int
    seed: int
    session_timeout_seconds: float
    sampling: SamplingLimits


class Worker:
    def __init__(
        self,
        network: Network,
        tokenizer: PreTrainedTokenizerBase | None,
        end_tokens: frozenset[int],
        state: StateDirectory,
        options: WorkerOptions,
    ) -> None:
        self.network = network
        self.end_tokens = end_tokens
        self.has_tokenizer = tokenizer is not None
        self.options = options
        self.limits = ModelLimits(network.vocabulary, options.max_context)
        self.state = state
        self.sessions = Sessions(options.session_timeout_seconds)
        self.futures = Futures()
        self.registry = Registry()
        self.seeds = itertools.count(options.seed)
        """For samples whose request has none."""
        self._sampler_numbers = itertools.count(1)
        self._sampler = Sampler(tokenizer, options.sampling)
        self._device = DeviceThread(self._sampler)

    def start(self) -> None:
        self._device.start()

    def stop(self) -> None:
        """Finishes the operation at hand; the rest fails."""
        self._device.stop()

    def expire(self) -> None:
        """Frees what silent clients hold and forgets old results; to be called now and then."""
        for session_id in self.sessions.expire():
            log.warning("session %s fell silent; its models are freed", session_id)
            self.registry.remove_session(session_id)
        self.futures.forget(lambda owner: self.registry.holds(owner) or self.sessions.is_alive(owner))

    def check_base(self, fields: Fields) -> None:
        base = fields.text("base_model")
        if base not in (self.options.model_name, str(self.options.model_directory)):
            expected = f"{self.options.model_name!r}, the model that this worker was started with"
            raise fields.wrong("base_model", expected, base)

    def model(self, fields: Fields) -> Model:
        model = self.registry.model(fields.text("model_id"))
        self.sessions.touch(model.session_id)
        return model

    def sampling_session(self, fields: Fields) -> SamplingSession:
        sampler = self.registry.sampler(fields.text("sampling_session_id"))
        self.sessions.touch(sampler.session_id)
        return sampler

    def open_sampler(self, session_id: str, weights: Weights, model_path: str | None = None) -> SamplingSession:
        sampler_id = f"{session_id}-sample-{next(self._sampler_numbers)}"
        sampler = SamplingSession(sampler_id, session_id, weights, model_path)
        self.registry.add(sampler)
        return sampler

    def submit(self, owner: str, key: Hashable, fields: Fields, operation: Callable[[], Json]) -> Json:
        """Queues an operation for the device thread and answers with its future; once for each key of the owner."""

        def start(future: Future) -> None:
            self._device.submit(operation, lambda body: self.futures.settle(future, body))

        return {"request_id": self.futures.submit(owner, key, fingerprint(fields), start)}

    def submit_model(self, session_id: str, fields: Fields, make: Callable[[], Policy], body: Json) -> Json:
        """The same for a new model, as number `model_seq_id` of its session; `body` is the result beside its id."""
        model = Model(f"{session_id}-train-{fields.integer('model_seq_id', 0, MAX_INTEGER)}", session_id)

        def operation() -> Json:
            self.sessions.touch(session_id)  # it may have ended while this waited
            model.policy = make()
            self.registry.add(model)
            return {**body, "model_id": model.id}

        return self.submit(session_id, ("create_model", model.id), fields, operation) | {"model_id": model.id}

    def submit_sample(
        self, owner: str, key: Hashable, fields: Fields, request: Callable[[Future], SampleRequest]
    ) -> Json:
        """The same for a request to sample."""

        def start(future: Future) -> None:
            self._sampler.add(request(future))
            self._device.wake()

        return {"request_id": self.futures.submit(owner, key, fingerprint(fields), start)}


def policy_of(model: Model) -> Policy:
    """For operations. @raises WorkerError when the model's creation failed"""
    if model.policy is None:
        raise WorkerError(f"model_id: {model.id} could not be created", field="model_id")
    return model.policy


def sequence_number(fields: Fields) -> int:
    return fields.integer("seq_id", 0, MAX_INTEGER)


def fingerprint(fields: Fields) -> str:
    """The same for the same body, whatever the order of its keys."""
    return hashlib.blake2b(json.dumps(fields.value, sort_keys=True).encode()).hexdigest()
