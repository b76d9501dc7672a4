"""What official clients from 0.25 on send beside what older ones do: accepted where it changes nothing, else refused by name."""

import pytest
from worker_process import Client, sft

from agent_lightning_worker.fields import Fields
from agent_lightning_worker.wire import read_sampling

ADAM = {"learning_rate": 1e-2}


@pytest.fixture(scope="module")
def client(worker):
    return Client(worker)


def test_the_one_optimizer_is_taken_by_its_name(worker, client):
    config = {"optimizer_config": {"type": "adamw"}, "lora_config": {"rank": 2}}
    body = dict(session_id=client.session, model_seq_id=50, base_model="model", **config)
    made = worker.result("create_model", **body)
    assert worker.post("get_info", model_id=made["model_id"])["optimizer_config"] == {"type": "adamw"}
    status, answer = client.refuse("optim_step", optimizer_params={"type": "dimuon", "learning_rate": 0.1})
    assert (status, answer["field"]) == (400, "optimizer_params")


def test_versions_are_snapshots(worker, client):
    live = client.do("save_weights_for_sampler", sampling_session_seq_id=0, kind="snapshot")["sampling_session_id"]
    named = client.do("save_weights_for_sampler", path="v1", kind="snapshot")["path"]
    status, answer = client.refuse("save_weights_for_sampler", sampling_session_seq_id=1, kind="inflight")
    assert (status, answer["field"]) == (400, "kind")
    neutral = {"topk_prompt_logprobs": 0, "topk_sample_logprobs": 0, "prompt_alt_tokens_k": 0}
    one = {"sampling_params": {"max_tokens": 1}, "record_stability_info": False, **neutral}
    assert len(client.sample(live, 1, [104], **one)["sequences"]) == 1
    assert worker.call("GET", f"samplers/{live}") == (200, {"sampler_id": live, "base_model": "model"})
    opened = worker.post(
        "create_sampling_session", session_id=client.session, sampling_session_seq_id=8, model_path=named
    )["sampling_session_id"]
    _, told = worker.call("GET", f"samplers/{opened}")
    assert told == {"sampler_id": opened, "base_model": "model", "model_path": named}
    assert worker.call("GET", "samplers/none")[0] == 404


def test_a_state_makes_the_model_that_it_was_saved_of(worker):
    client = Client(worker, rank=3, train_mlp=False)
    client.do("forward_backward", forward_backward_input=sft(b"hello"))
    client.do("optim_step", adam_params=ADAM)
    path = client.do("save_weights", path="half")["path"]
    body = dict(session_id=client.session, model_seq_id=7, path=path, optimizer=True, type="load_weights")
    assert worker.post("load_weights", **body) == worker.post("load_weights", **body)
    made = worker.result("load_weights", **body)
    assert (made["path"], made["model_id"]) == (path, f"{client.session}-train-7")
    # The official client makes the id up by itself.
    resumed = f"{client.session}:train:7"
    assert worker.post("get_info", model_id=resumed)["lora_rank"] == 3

    def rest(model: str, number: int) -> list:
        passed = worker.result("forward_backward", model_id=model, seq_id=number, forward_backward_input=sft(b"hello"))
        return [passed, worker.result("optim_step", model_id=model, seq_id=number + 1, adam_params=ADAM)]

    assert rest(resumed, 1) == rest(client.model, client.number + 1)
    assert worker.call("GET", f"training_runs/{resumed}/checkpoints")[1] == {"checkpoints": []}
    worker.result("save_weights", model_id=resumed, seq_id=3, path="again")
    (entry,) = worker.call("GET", f"training_runs/{resumed}/checkpoints")[1]["checkpoints"]
    assert entry["tinker_path"] == f"tinker://{made['model_id']}/weights/again"


@pytest.mark.parametrize(
    "change, status, field",
    [
        ({"path": "tinker://none/weights/none"}, 400, "path"),
        ({"session_id": "none"}, 404, "session_id"),
        ({"session_id": None}, 400, "model_id"),
        ({"model_seq_id": None}, 400, "model_seq_id"),
        ({"base_model": "other"}, 400, "base_model"),
        ({"optimizer_config": {"type": "dimuon"}}, 400, "optimizer_config.type"),
        ({"weights_access_token": "t"}, 400, "weights_access_token"),
    ],
)
def test_a_model_that_no_state_can_make_is_refused(worker, client, change, status, field):
    path = client.do("save_weights", path=f"for-{field}-{status}-{len(str(change))}")["path"]
    body = {"session_id": client.session, "model_seq_id": 9, "path": path, "optimizer": False} | change
    answered, answer = worker.call("POST", "load_weights", body)
    assert (answered, answer["field"]) == (status, field)


def test_the_client_is_told_what_the_worker_does_not_do(worker):
    answer = worker.post("client/dynamic_config", sdk_version="0.38.0")
    assert answer == {"refresh_interval_sec": 300, "sample_cancel_enabled": False}


@pytest.mark.parametrize("stop, ends", [(None, {7}), ([], set()), ([3], {3, 7}), ("x", {7})])
def test_an_empty_list_of_stops_is_not_the_same_as_none(stop, ends):
    params = read_sampling(Fields({"stop": stop}), 5, 0, frozenset({7}), True)
    assert params.stop_tokens == ends
