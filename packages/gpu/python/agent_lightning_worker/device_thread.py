"""The one thread that computes: operations in the order of their arrival, and sampling steps between them."""

import logging
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch

from agent_lightning_worker.errors import WorkerError
from agent_lightning_worker.sampler import Sampler

log = logging.getLogger(__name__)

Operation = tuple[Callable[[], dict[str, Any]], Callable[[dict[str, Any]], None]]


class DeviceThread:
    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler
        self._queue: queue.Queue[Operation | None] = queue.Queue()
        self._stopping, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="device")

    def start(self) -> None:
        self._thread.start()

    def submit(self, operation: Callable[[], dict[str, Any]], settle: Callable[[dict[str, Any]], None]) -> None:
        """Queues an operation; `settle` gets its result, or its failure as a body with `error` and `category`."""
        self._put((operation, settle))

    def wake(self) -> None:
        """To be called after the sampler was given something."""
        self._put(None)

    def stop(self) -> None:
        """Finishes the operation at hand; what waits, is being sampled or comes later fails."""
        self._stopping.set()
        self._queue.put(None)
        self._thread.join()

    def _put(self, item: Operation | None) -> None:
        self._queue.put(item)
        if self._ended.is_set():
            self._give_up()

    def _run(self) -> None:
        while not self._stopping.is_set():
            item = None
            with suppress(queue.Empty):
                item = self._queue.get(block=not self._sampler.busy)
            if item is not None:
                self._execute(*item)
            if self._sampler.busy and not self._stopping.is_set():
                self._sampler.step(describe)
        self._ended.set()
        self._give_up()

    def _give_up(self) -> None:
        stopped = WorkerError("the worker was stopped before it came to this", category="server", code="stopped")
        self._sampler.fail_all(stopped)
        with suppress(queue.Empty):
            while True:
                if (item := self._queue.get_nowait()) is not None:
                    item[1](stopped.body())

    @staticmethod
    def _execute(operation: Callable[[], dict[str, Any]], settle: Callable[[dict[str, Any]], None]) -> None:
        try:
            body = operation()
        except Exception as error:
            body = describe(error).body()
        settle(body)


def describe(error: Exception) -> WorkerError:
    """What the client is told of a failure; its stack goes to the log."""
    if isinstance(error, WorkerError):
        return error
    log.error("operation failed", exc_info=error)
    if isinstance(error, torch.OutOfMemoryError):
        torch.cuda.empty_cache()
        return WorkerError(
            f"out of memory: {str(error).splitlines()[0]} Start the worker with a smaller --token-budget or --sampler-memory.",
            category="server",
            code="out-of-memory",
        )
    return WorkerError(f"{type(error).__name__}: {error}", category="server", code="failed")
