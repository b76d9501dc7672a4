"""Who uses the worker: a client that falls silent loses its models and sampling sessions."""

import secrets
import threading
import time
from collections.abc import Callable

from agent_lightning_worker.errors import WorkerError


class Sessions:
    def __init__(self, timeout_seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self._timeout = timeout_seconds
        self._now = now
        self._lock = threading.Lock()
        self._seen: dict[str, float] = {}

    def create(self) -> str:
        session_id = f"s-{secrets.token_hex(6)}"
        with self._lock:
            self._seen[session_id] = self._now()
        return session_id

    def touch(self, session_id: str) -> None:
        """Every request counts as a heartbeat. @raises WorkerError when the session is unknown or has expired"""
        with self._lock:
            if session_id not in self._seen:
                raise WorkerError(
                    f"session_id: {session_id!r} is unknown or was silent for {self._timeout:g} s; create a new session",
                    status=404,
                    field="session_id",
                )
            self._seen[session_id] = self._now()

    def is_alive(self, session_id: str) -> bool:
        with self._lock:
            return session_id in self._seen

    def expire(self) -> list[str]:
        """Removes the sessions that have been silent for too long."""
        with self._lock:
            limit = self._now() - self._timeout
            stale = [session for session, seen in self._seen.items() if seen < limit]
            for session in stale:
                del self._seen[session]
            return stale
