"""Who is alive: models in training and sampling sessions, each owned by a client's session."""

import threading
from dataclasses import dataclass

from agent_lightning_worker.errors import WorkerError
from agent_lightning_worker.policy import Policy, Weights


@dataclass(eq=False)
class Model:
    """`policy` is None until the device thread has made it."""

    id: str
    session_id: str
    policy: Policy | None = None


@dataclass(eq=False)
class SamplingSession:
    """A frozen version that can be sampled. `model_path` is where it was read from; None for one from memory."""

    id: str
    session_id: str
    weights: Weights
    model_path: str | None = None


def canonical_id(model_id: str) -> str:
    """The id that this worker gave a model.

    The official client (0.38) makes up the id of a model that a state creates, as `<session>:train:<number>`; a colon cannot be in a directory's name everywhere.
    """
    return model_id.replace(":train:", "-train-")


class Registry:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._models: dict[str, Model] = {}
        self._samplers: dict[str, SamplingSession] = {}

    def add(self, item: Model | SamplingSession) -> None:
        with self._lock:
            (self._models if isinstance(item, Model) else self._samplers)[item.id] = item

    def model(self, model_id: str) -> Model:
        """@raises WorkerError 404"""
        with self._lock:
            model = self._models.get(canonical_id(model_id))
        if model is None:
            raise WorkerError(f"model_id: no model {model_id!r}; was it unloaded?", status=404, field="model_id")
        return model

    def sampler(self, sampling_session_id: str) -> SamplingSession:
        """@raises WorkerError 404"""
        with self._lock:
            sampler = self._samplers.get(sampling_session_id)
        if sampler is None:
            field = "sampling_session_id"
            raise WorkerError(
                f"{field}: no sampling session {sampling_session_id!r}; was it unloaded?", status=404, field=field
            )
        return sampler

    def remove(self, owner_id: str) -> None:
        """A model or sampling session; its memory goes when the last operation that uses it is done."""
        with self._lock:
            self._models.pop(owner_id, None)
            self._samplers.pop(owner_id, None)

    def remove_session(self, session_id: str) -> None:
        with self._lock:
            self._models = {i: m for i, m in self._models.items() if m.session_id != session_id}
            self._samplers = {i: s for i, s in self._samplers.items() if s.session_id != session_id}

    def holds(self, owner_id: str) -> bool:
        with self._lock:
            return owner_id in self._models or owner_id in self._samplers
