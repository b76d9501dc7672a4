import threading

import pytest

from agent_lightning_worker.errors import WorkerError
from agent_lightning_worker.futures import RETRIEVED_SECONDS, UNCLAIMED_SECONDS, Futures
from agent_lightning_worker.sessions import Sessions


class Clock:
    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


def started(futures, key=1, fingerprint="body"):
    """A submitted operation: its id and its future."""
    begun = []
    return futures.submit("model", key, fingerprint, begun.append), begun


def test_a_result_is_forgotten_some_time_after_it_was_first_fetched():
    clock = Clock()
    futures = Futures(clock)
    request_id, (future,) = started(futures)
    futures.settle(future, {"done": 1})
    assert futures.retrieve(request_id) == futures.retrieve(request_id) == {"done": 1}
    clock.seconds = RETRIEVED_SECONDS - 1
    futures.forget(lambda _: True)
    assert futures.retrieve(request_id) == {"done": 1}, "fetching it again does not prolong it, nor end it"
    clock.seconds = RETRIEVED_SECONDS + 1
    futures.forget(lambda _: True)
    with pytest.raises(WorkerError) as gone:
        futures.retrieve(request_id)
    assert gone.value.status == 410


def test_a_result_that_nobody_fetches_is_forgotten_later():
    clock = Clock()
    futures = Futures(clock)
    request_id, (future,) = started(futures)
    clock.seconds = UNCLAIMED_SECONDS * 2
    futures.forget(lambda _: True)
    assert futures.retrieve(request_id, poll_seconds=0)["type"] == "try_again", "what is not done is not forgotten"
    futures.settle(future, {})
    clock.seconds += UNCLAIMED_SECONDS + 1
    futures.forget(lambda _: True)
    with pytest.raises(WorkerError):
        futures.retrieve(request_id)


def test_a_late_retry_is_not_applied_again_even_when_its_result_is_forgotten():
    clock = Clock()
    futures = Futures(clock)
    request_id, (future,) = started(futures)
    futures.settle(future, {})
    clock.seconds = UNCLAIMED_SECONDS + 1
    futures.forget(lambda _: True)
    assert started(futures) == (request_id, [])
    with pytest.raises(WorkerError) as conflict:
        started(futures, fingerprint="another body")
    assert conflict.value.status == 409
    futures.forget(lambda _: False)
    other, begun = started(futures)
    assert other != request_id and len(begun) == 1


def test_a_poll_returns_as_soon_as_there_is_a_result():
    futures = Futures()
    request_id, (future,) = started(futures)
    assert futures.retrieve(request_id, poll_seconds=0) == {
        "type": "try_again",
        "request_id": request_id,
        "queue_state": "active",
    }
    answers = []
    poll = threading.Thread(target=lambda: answers.append(futures.retrieve(request_id, poll_seconds=60)))
    poll.start()
    futures.settle(future, {"done": 1})
    poll.join(30)
    assert answers == [{"done": 1}]


def test_a_refused_submission_does_not_use_up_its_number():
    futures = Futures()

    def refuse(_future):
        raise WorkerError("no")

    with pytest.raises(WorkerError):
        futures.submit("model", 1, "body", refuse)
    assert len(started(futures, fingerprint="another body")[1]) == 1


def test_a_silent_session_expires_and_every_request_keeps_it():
    clock = Clock()
    sessions = Sessions(10, clock)
    silent, busy = sessions.create(), sessions.create()
    clock.seconds = 8
    sessions.touch(busy)
    clock.seconds = 11
    assert sessions.expire() == [silent] and sessions.is_alive(busy) and not sessions.is_alive(silent)
    with pytest.raises(WorkerError) as gone:
        sessions.touch(silent)
    assert gone.value.status == 404
