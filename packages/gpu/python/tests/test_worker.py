"""The worker without HTTP around it."""

import threading

import pytest
import tiny

from agent_lightning_worker.device_thread import DeviceThread
from agent_lightning_worker.errors import WorkerError
from agent_lightning_worker.fields import Fields
from agent_lightning_worker.network import wrap
from agent_lightning_worker.routes import POSTS, capabilities
from agent_lightning_worker.sampler import Sampler
from agent_lightning_worker.sampling_lane import SamplingLimits
from agent_lightning_worker.sessions import Sessions
from agent_lightning_worker.state_directory import StateDirectory
from agent_lightning_worker.worker import Worker, WorkerOptions


@pytest.fixture
def worker(tmp_path):
    options = WorkerOptions("tiny", tmp_path, 64, 64, 0, 10.0, SamplingLimits())
    made = Worker(wrap(tiny.llama(), False), None, frozenset(), StateDirectory(tmp_path / "state"), options)
    made.start()
    yield made
    made.stop()


def post(worker, path, /, **body):
    return POSTS[path](worker, Fields(body))


def result(worker, path, /, **body):
    return post(worker, "retrieve_future", request_id=post(worker, path, **body)["request_id"])


def test_a_silent_client_loses_its_models_and_versions(worker):
    seconds = [0.0]
    worker.sessions = Sessions(10.0, lambda: seconds[0])
    session = post(worker, "create_session")["session_id"]
    made = dict(session_id=session, model_seq_id=0, base_model="tiny", lora_config={"rank": 2})
    model = result(worker, "create_model", **made)["model_id"]
    number = dict(model_id=model, seq_id=1, sampling_session_seq_id=0)
    version = result(worker, "save_weights_for_sampler", **number)["sampling_session_id"]
    seconds[0] = 9.0
    worker.expire()
    assert post(worker, "get_info", model_id=model)["lora_rank"] == 2
    seconds[0] = 20.0
    worker.expire()
    for path, body in (("get_info", {"model_id": model}), ("unload_sampler", {"sampling_session_id": version})):
        with pytest.raises(WorkerError) as gone:
            post(worker, path, **body)
        assert gone.value.status == 404


def test_the_operation_at_hand_is_finished_and_what_waits_or_comes_later_fails():
    device, bodies = DeviceThread(Sampler(None, SamplingLimits())), []
    stopper = threading.Thread(target=device.stop)

    def at_hand():
        stopper.start()
        assert device._stopping.wait(30)
        return {"done": 1}

    device.submit(at_hand, bodies.append)
    device.submit(lambda: {"done": 2}, bodies.append)
    device.start()
    assert device._ended.wait(30)
    stopper.join(30)
    device.submit(lambda: {"done": 3}, bodies.append)
    assert bodies[0] == {"done": 1} and [body["code"] for body in bodies[1:]] == ["stopped", "stopped"]


def test_a_failing_operation_is_told_and_the_next_one_runs():
    device, bodies = DeviceThread(Sampler(None, SamplingLimits())), []
    device.submit(lambda: {"done": 1 / 0}, bodies.append)
    device.submit(lambda: {"done": 2}, bodies.append)
    last = threading.Event()
    device.submit(lambda: last.set() or {"done": 3}, bodies.append)
    device.start()
    assert last.wait(30)
    device.stop()
    assert (bodies[0]["category"], bodies[0]["code"]) == ("server", "failed") and "division" in bodies[0]["error"]
    assert bodies[1:] == [{"done": 2}, {"done": 3}]


def test_capabilities_tell_what_is_honoured(worker):
    told = capabilities(worker)["worker"]
    assert told["losses"] == ["cross_entropy", "importance_sampling", "ppo", "cispo"]
    assert told["max_datum_tokens"] == 64 and told["sampling"] and told["packing"]
