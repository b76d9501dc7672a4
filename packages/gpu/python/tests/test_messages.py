"""Protobuf: our messages against those of the official client, which is the second implementation of every one."""

import json
import struct

import numpy as np
import pytest
from tinker import types
from tinker.proto import tinker_public_pb2 as official
from tinker.proto.request_conv import forward_backward_request_to_proto
from tinker.proto.response_conv import deserialize_forward_backward_output, deserialize_sample_response
from tinker.types.forward_backward_input import ForwardBackwardInput
from tinker.types.forward_backward_request import ForwardBackwardRequest
from worker_process import Client, datum

from agent_lightning_worker.errors import WorkerError
from agent_lightning_worker.messages import PROTOBUF, read_pass_message, write_result

TEXT = list(b"hello world")
SEND = {"Content-Type": PROTOBUF}


def message_of(request: dict) -> official.ForwardBackwardRequest:
    """The official client's message of a request in JSON."""
    (name,) = (key for key in request if key.endswith("_input"))
    rows = [
        types.Datum(
            model_input=types.ModelInput.from_ints(row["model_input"]["chunks"][0]["tokens"]),
            loss_fn_inputs={key: types.TensorData(**tensor) for key, tensor in row["loss_fn_inputs"].items()},
        )
        for row in request[name]["data"]
    ]
    body = ForwardBackwardInput(
        data=rows, loss_fn=request[name]["loss_fn"], loss_fn_config=request[name].get("loss_fn_config")
    )
    made = ForwardBackwardRequest(forward_backward_input=body, model_id=request["model_id"], seq_id=request["seq_id"])
    message = forward_backward_request_to_proto(made)
    message.forward_only = name == "forward_input"
    return message


def random_request(generator: np.random.Generator) -> dict:
    data = []
    for length in generator.integers(2, 9, generator.integers(1, 5)):
        numbers = [float(value) for value in generator.normal(0, 3, length - 1).astype(np.float32)]
        data.append(datum(generator.integers(0, 2**31, length).tolist(), weights=numbers))
    name = "forward_input" if generator.random() < 0.5 else "forward_backward_input"
    config = {"loss_fn_config": {"clip_low_threshold": 0.75}} if generator.random() < 0.5 else {}
    return {
        "model_id": "m",
        "seq_id": int(generator.integers(1, 2**31)),
        name: {"data": data, "loss_fn": "ppo", **config},
    }


@pytest.mark.parametrize("seed", range(20))
def test_a_request_means_what_its_json_does(seed):
    request = random_request(np.random.default_rng(seed))
    for row in request[next(key for key in request if key.endswith("_input"))]["data"]:
        for chunk in row["model_input"]["chunks"]:
            assert chunk["type"] == "encoded_text"
    route, body = read_pass_message(message_of(request).SerializeToString())
    assert f"{route}_input" in request
    assert body == request


@pytest.mark.parametrize("seed", range(20))
def test_the_official_client_reads_the_results(seed):
    generator = np.random.default_rng(seed)
    rows = [generator.normal(-3, 2, length).astype(np.float32) for length in generator.integers(0, 6, 4)]
    outputs = [{"logprobs": {"data": row.tolist(), "dtype": "float32", "shape": [len(row)]}} for row in rows]
    metrics = {"loss:sum": float(generator.normal()), "entropy:sum": 0.0}
    made = deserialize_forward_backward_output(
        write_result({"loss_fn_output_type": "TorchLossReturn", "loss_fn_outputs": outputs, "metrics": metrics})
    )
    assert made.metrics == metrics and made.loss_fn_output_type == "TorchLossReturn"
    assert [list(row["logprobs"].data) for row in made.loss_fn_outputs] == [row.tolist() for row in rows]
    sequences = [
        {"tokens": [int(t) for t in generator.integers(0, 2**31, len(row) + 1)], "logprobs": [-1.5, *row.tolist()]}
        | {"stop_reason": ["stop", "length"][index % 2]}
        for index, row in enumerate(rows)
    ]
    prompt = {} if seed % 2 else {"prompt_logprobs": [None, *rows[0].tolist()]}
    answer = deserialize_sample_response(write_result({"sequences": sequences, **prompt}))
    assert [
        {"tokens": list(s.tokens), "logprobs": list(s.logprobs), "stop_reason": s.stop_reason} for s in answer.sequences
    ] == sequences
    assert answer.prompt_logprobs == prompt.get("prompt_logprobs")


def test_what_is_always_json_is_no_message():
    assert write_result({"type": "optim_step", "metrics": {}}) is None
    assert write_result({"error": "no", "category": "user"}) is None


REQUEST = {
    "model_id": "m",
    "seq_id": 1,
    "forward_backward_input": {"data": [datum([1, 2, 3], weights=[0.0, 1.0])], "loss_fn": "cross_entropy"},
}
UNKNOWN = bytes([15 << 3, 1])
"""A field that no message has: number 15, the value 1."""


def changed(change) -> bytes:
    message = message_of(REQUEST)
    change(message)
    return message.SerializeToString()


@pytest.mark.parametrize(
    "raw, field",
    [
        (b"\x0a\x7fm", "body"),
        (message_of(REQUEST).SerializeToString() + UNKNOWN, "body"),
        (changed(lambda m: m.data[0].MergeFromString(UNKNOWN)), "forward_backward_input.data[0]"),
        (
            changed(lambda m: m.data[0].MergeFromString(bytes([3 << 3 | 2, 0]))),
            "forward_backward_input.data[0].model_input_spans",
        ),
        (
            changed(lambda m: m.data[0].loss_fn_inputs["weights"].sparse_csr.SetInParent()),
            "forward_backward_input.data[0].loss_fn_inputs.weights",
        ),
        (
            changed(lambda m: setattr(m.data[0].loss_fn_inputs["weights"], "dtype", 4)),
            "forward_backward_input.data[0].loss_fn_inputs.weights.dtype",
        ),
        (
            changed(lambda m: setattr(m.data[0].loss_fn_inputs["weights"], "dtype", 99)),
            "forward_backward_input.data[0].loss_fn_inputs.weights.dtype",
        ),
        (
            changed(lambda m: setattr(m.data[0].loss_fn_inputs["weights"], "dense", b"abc")),
            "forward_backward_input.data[0].loss_fn_inputs.weights.data",
        ),
        (
            changed(lambda m: setattr(m.data[0].model_input[0].encoded_text, "tokens", b"abc")),
            "forward_backward_input.data[0].model_input.chunks[0].tokens",
        ),
    ],
)
def test_what_is_not_read_is_refused_by_name(raw, field):
    with pytest.raises(WorkerError) as caught:
        read_pass_message(raw)
    assert caught.value.field == field and str(caught.value).startswith(field)


@pytest.fixture(scope="module")
def client(worker):
    return Client(worker)


def test_a_pass_gives_in_protobuf_what_it_gives_in_json(worker):
    results = []
    for encoding in ("json", "protobuf"):
        client = Client(worker, seed=4)
        answers = []
        for name in ("forward_input", "forward_backward_input"):
            request = {"model_id": client.model, "seq_id": len(answers) + 1}
            request[name] = {
                "data": [datum(TEXT, weights=[0.5] * 10), datum(TEXT[:4], weights=[1.0] * 3)],
                "loss_fn": "cross_entropy",
            }
            if encoding == "json":
                body = worker.result(name.removesuffix("_input"), **request)
                answers.append(([row["logprobs"]["data"] for row in body["loss_fn_outputs"]], body["metrics"]))
                continue
            status, accepted = worker.call(
                "POST", "forward_backward", raw=message_of(request).SerializeToString(), headers=SEND
            )
            assert status == 200, accepted
            status, raw = worker.call(
                "POST", "retrieve_future", accepted, headers={"Accept": f"{PROTOBUF}, application/json"}
            )
            made = deserialize_forward_backward_output(raw)
            answers.append(([list(row["logprobs"].data) for row in made.loss_fn_outputs], made.metrics))
        step = worker.result("optim_step", model_id=client.model, seq_id=3, adam_params={"learning_rate": 0.01})
        results.append((answers, step["metrics"]))
    assert results[0] == results[1]


def test_samples_come_as_protobuf_where_that_is_accepted(worker, client):
    sampler = client.publish(0)
    request = {"num_samples": 2, "prompt_logprobs": True, "sampling_params": {"max_tokens": 3, "seed": 1}}
    body = client.sample(sampler, 1, [104, 101], **request)
    prompt = {"chunks": [{"type": "encoded_text", "tokens": [104, 101]}]}
    accepted = worker.post("asample", sampling_session_id=sampler, seq_id=2, prompt=prompt, **request)
    assert len(accepted["sample_sequence_ids"]) == len(set(accepted["sample_sequence_ids"])) == 2
    again = worker.post("asample", sampling_session_id=sampler, seq_id=2, prompt=prompt, **request)
    assert again == accepted
    status, raw = worker.call(
        "POST", "retrieve_future", {"request_id": accepted["request_id"]}, headers={"Accept": PROTOBUF}
    )
    answer = deserialize_sample_response(raw)
    assert status == 200
    assert [list(s.tokens) for s in answer.sequences] == [s["tokens"] for s in body["sequences"]]
    assert answer.prompt_logprobs == [None, *np.asarray(body["prompt_logprobs"][1:], np.float32).tolist()]


def test_errors_and_waiting_stay_json(worker, client):
    status, answer = worker.call("POST", "retrieve_future", {"request_id": "none"}, headers={"Accept": PROTOBUF})
    assert (status, answer["field"]) == (410, "request_id")
    bad = {"model_id": client.model, "seq_id": client.number + 1}
    bad["forward_backward_input"] = {"data": [datum([1, 2, 300], weights=[1.0, 1.0])], "loss_fn": "cross_entropy"}
    status, answer = worker.call("POST", "forward_backward", raw=message_of(bad).SerializeToString(), headers=SEND)
    assert (status, answer["code"]) == (400, "samples-invalid")
    bad["forward_backward_input"]["data"] = [datum([1, 2, 3], weights=[1.0, float("nan")])]
    status, answer = worker.call("POST", "forward_backward", raw=message_of(bad).SerializeToString(), headers=SEND)
    assert (status, answer["field"]) == (400, "forward_backward_input.data[0].loss_fn_inputs.weights.data")
    bad["forward_backward_input"]["data"] = [datum([1, 2, 3], weights=[1.0, 1.0])]
    picture = message_of(bad)
    picture.data[0].model_input.add().image.format = "png"
    status, answer = worker.call("POST", "forward_backward", raw=picture.SerializeToString(), headers=SEND)
    assert (status, answer["field"]) == (400, "forward_backward_input.data[0].model_input.chunks[1].type")
    status, answer = worker.call("POST", "optim_step", raw=json.dumps({}).encode(), headers=SEND)
    assert (status, answer["field"]) == (415, "Content-Type")


def test_numbers_are_little_endian():
    raw = write_result({"sequences": [{"tokens": [258], "logprobs": [-2.0], "stop_reason": "stop"}]})
    assert struct.pack("<i", 258) in raw and struct.pack("<f", -2.0) in raw
