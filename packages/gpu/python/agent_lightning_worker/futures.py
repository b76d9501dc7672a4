"""Results that are fetched later: every operation answers at once with an id, and is never applied twice."""

import threading
import time
import uuid
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from agent_lightning_worker.errors import WorkerError

POLL_SECONDS = 20.0
RETRIEVED_SECONDS = 120.0
"""How long a result stays after it was first fetched, for a client whose connection broke."""
UNCLAIMED_SECONDS = 3600.0


@dataclass
class Future:
    id: str
    body: dict[str, Any] | None = None
    done: threading.Event = field(default_factory=threading.Event)
    forget_at: float | None = None


class Futures:
    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._futures: dict[str, Future] = {}
        self._submitting = threading.Lock()
        # Kept for as long as its owner lives, even when the result is forgotten: a late retry must not be applied again.
        self._submitted: dict[tuple[str, Hashable], tuple[str, str]] = {}

    def submit(self, owner: str, key: Hashable, fingerprint: str, start: Callable[[Future], None]) -> str:
        """The id of operation `key` of `owner` (a model or a session): a new one, which `start` queues, or the one from before."""

        def create() -> str:
            future = Future(uuid.uuid4().hex)
            with self._lock:
                self._futures[future.id] = future
            start(future)
            return future.id

        return self.once(owner, key, fingerprint, create)

    def once(self, owner: str, key: Hashable, fingerprint: str, create: Callable[[], str]) -> str:
        """What `create` gave when this key was first used. @raises WorkerError 409 when the key was used with another body"""
        with self._submitting:
            known = self._submitted.get((owner, key))
            if known is None:
                known = self._submitted[owner, key] = (create(), fingerprint)
        if known[1] != fingerprint:
            raise WorkerError(
                f"seq_id: {key!r} of {owner} was already used with another body; take the next number",
                status=409,
                field="seq_id",
            )
        return known[0]

    def settle(self, future: Future, body: dict[str, Any]) -> None:
        with self._lock:
            future.body = body
            future.forget_at = self._now() + UNCLAIMED_SECONDS
        future.done.set()

    def retrieve(self, request_id: str, poll_seconds: float = POLL_SECONDS) -> dict[str, Any]:
        """The result, or `try_again` after the poll time. @raises WorkerError 410 when there is no such future (any more)"""
        with self._lock:
            future = self._futures.get(request_id)
        if future is None:
            raise WorkerError(f"request_id: {request_id!r} is unknown or was forgotten", status=410, field="request_id")
        if not future.done.wait(poll_seconds):
            return {"type": "try_again", "request_id": request_id, "queue_state": "active"}
        with self._lock:
            future.forget_at = min(future.forget_at, self._now() + RETRIEVED_SECONDS)
        return future.body

    def forget(self, owners_alive: Callable[[str], bool]) -> None:
        """Drops results whose time is over, and the memory of owners that are gone."""
        now = self._now()
        with self._lock:
            self._futures = {i: f for i, f in self._futures.items() if f.forget_at is None or f.forget_at > now}
        with self._submitting:
            # Asked of each now, not before: an operation that came meanwhile must not be forgotten, and applied again.
            gone = {owner for owner in {owner for owner, _ in self._submitted} if not owners_alive(owner)}
            self._submitted = {k: v for k, v in self._submitted.items() if k[0] not in gone}
