"""Writes and reads protobuf messages with the official Python SDK (tinker 0.38.0): the second implementation of our codec.

    python tools/reference/tinker_sdk_messages.py > packages/tinker/test/__fixtures__/tinker-sdk-messages.json     makes the fixture
    python tools/reference/tinker_sdk_messages.py --check < JOBS                                                   answers a test

A job is a JSON line: {"read": base64 of a ForwardBackwardRequest} gives the pass as JSON;
{"write": {"outputs": […], "metrics": {…}}} and {"write": {"sequences": […], "prompt_logprobs": […]}} give a message's base64.
"""

import base64
import json
import sys
from typing import Any

import numpy as np
from tinker import types
from tinker.proto import tinker_public_pb2 as pb
from tinker.proto.request_conv import forward_backward_request_to_proto
from tinker.proto.response_conv import deserialize_forward_backward_output, deserialize_sample_response
from tinker.types.forward_backward_input import ForwardBackwardInput
from tinker.types.forward_backward_request import ForwardBackwardRequest

NUMPY = {"float32": np.float32, "int64": np.int64, "int32": np.int32}
DTYPES = {"float32": pb.DTYPE_FLOAT32, "int64": pb.DTYPE_INT64, "int32": pb.DTYPE_INT32}


def encode(message: Any) -> str:
    return base64.b64encode(message.SerializeToString(deterministic=True)).decode()


def request(loss: str, config: dict[str, float] | None, forward_only: bool, data: list[dict[str, Any]]) -> dict[str, Any]:
    """A request as the SDK sends it, beside what it was made of."""
    rows = [
        types.Datum(
            model_input=types.ModelInput.from_ints(row["tokens"]),
            loss_fn_inputs={
                name: types.TensorData(data=np.asarray(values, dtype=NUMPY[dtype]), dtype=dtype, shape=[len(values)])
                for name, (dtype, values) in row["inputs"].items()
            },
        )
        for row in data
    ]
    made = ForwardBackwardRequest(
        forward_backward_input=ForwardBackwardInput(data=rows, loss_fn=loss, loss_fn_config=config),
        model_id="model-1",
        seq_id=7,
    )
    message = forward_backward_request_to_proto(made)
    message.forward_only = forward_only
    body = {"modelId": "model-1", "sequence": 7, "forwardOnly": forward_only}
    inputs = lambda row: {
        name: {"data": [float(np.float32(v)) if dtype == "float32" else v for v in values], "dtype": dtype, "shape": [len(values)]}
        for name, (dtype, values) in row["inputs"].items()
    }
    input_ = {
        "loss_fn": loss,
        **({} if config is None else {"loss_fn_config": config}),
        "data": [
            {"model_input": {"chunks": [{"type": "encoded_text", "tokens": row["tokens"]}]}, "loss_fn_inputs": inputs(row)}
            for row in data
        ],
    }
    return {"request": {**body, "input": input_}, "message": encode(message)}


def read_request(message: bytes) -> dict[str, Any]:
    made = pb.ForwardBackwardRequest.FromString(message)
    numpy = {number: NUMPY[name] for name, number in DTYPES.items()}
    names = {number: name for name, number in DTYPES.items()}

    def tensor(t: Any) -> dict[str, Any]:
        return {"data": np.frombuffer(t.dense, numpy[t.dtype]).tolist(), "dtype": names[t.dtype], "shape": list(t.shape)}

    return {
        "modelId": made.model_id,
        "sequence": made.seq_id,
        "forwardOnly": made.forward_only,
        "input": {
            "loss_fn": made.loss_fn,
            **({"loss_fn_config": dict(made.loss_fn_config)} if made.loss_fn_config else {}),
            "data": [
                {
                    "model_input": {
                        "chunks": [
                            {"type": "encoded_text", "tokens": np.frombuffer(c.encoded_text.tokens, np.int32).tolist()}
                            for c in row.model_input
                        ]
                    },
                    "loss_fn_inputs": {name: tensor(t) for name, t in row.loss_fn_inputs.items()},
                }
                for row in made.data
            ],
        },
        "second": {k: v.number for k, v in made.loss_fn_config_v2.items()},
    }


def pass_message(outputs: list[dict[str, Any]], metrics: dict[str, float], cut: int = 2) -> Any:
    """A pass's result in records of `cut` datums each; an output is {name: {"dtype", "data"}}."""
    message = pb.ForwardBackwardOutput(loss_fn_output_type="test:Output", metrics=metrics)
    for start in range(0, len(outputs), cut):
        group = outputs[start : start + cut]
        record = message.loss_fn_outputs.add(num_datums=len(group), type_tag="Output")
        for name in group[0]:
            arrays = [np.asarray(output[name]["data"], NUMPY[output[name]["dtype"]]) for output in group]
            record.fields[name].data = b"".join(array.tobytes() for array in arrays)
            record.fields[name].offsets = np.cumsum([0] + [array.nbytes for array in arrays], dtype=np.int64).tobytes()
            record.fields[name].dtype = DTYPES[group[0][name]["dtype"]]
    return message


def sample_message(sequences: list[dict[str, Any]], prompt_logprobs: list[float | None] | None) -> Any:
    message = pb.SampleResponse()
    for sequence in sequences:
        message.sequences.add(
            stop_reason=pb.StopReason.Value(f"STOP_REASON_{sequence['stop_reason'].upper()}"),
            tokens=np.asarray(sequence["tokens"], np.int32).tobytes(),
            logprobs=np.asarray(sequence["logprobs"], np.float32).tobytes(),
        )
    if prompt_logprobs is not None:
        values = [np.nan if value is None else value for value in prompt_logprobs]
        message.prompt_logprobs = np.asarray(values, np.float32).tobytes()
    return message


def passed(message: Any) -> dict[str, Any]:
    """A pass's result as the SDK understands it."""
    made = deserialize_forward_backward_output(message.SerializeToString())
    outputs = [{"logprobs": {"data": list(map(float, row["logprobs"].data))}} for row in made.loss_fn_outputs]
    return {"message": encode(message), "body": {"loss_fn_outputs": outputs, "metrics": dict(made.metrics)}}


def sampled(message: Any) -> dict[str, Any]:
    """Samples as the SDK understands them."""
    made = deserialize_sample_response(message.SerializeToString())
    sequences = [
        {"stop_reason": s.stop_reason, "tokens": list(map(int, s.tokens)), "logprobs": list(map(float, s.logprobs))}
        for s in made.sequences
    ]
    prompt = made.prompt_logprobs
    extra = {} if prompt is None else {"prompt_logprobs": [None if v is None else float(v) for v in prompt]}
    return {"message": encode(message), "body": {"sequences": sequences, **extra}}


def fixture() -> dict[str, Any]:
    targets = {"target_tokens": ("int64", [22, 2**31 - 1, 0])}
    weighted = [{"tokens": [11, 22, 2**31 - 1], "inputs": targets | {"weights": ("float32", [0.0, 0.1, -1e-30])}}]
    gradient = {"logprobs": ("float32", [0.0, -1.25, -3e38]), "advantages": ("float32", [0.0, 1.0, -0.5])}
    rows = [*[{"tokens": [11, 22, 3], "inputs": targets | gradient}] * 2, {"tokens": [5], "inputs": {"target_tokens": ("int64", [6])}}]
    clip = {"clip_low_threshold": 0.8, "clip_high_threshold": 1.2}
    floats = lambda values: {"logprobs": {"dtype": "float32", "data": values}, "elementwise_loss": {"dtype": "float32", "data": values}}
    outputs = [floats([-0.1, -2.0]), floats([]), floats([-1e-8]), floats([0.0, -5.5, -700.25])]
    sequences = [
        {"stop_reason": "stop", "tokens": [1, 640, 2**31 - 1], "logprobs": [-0.1, 0.0, -3.5]},
        {"stop_reason": "length", "tokens": [7], "logprobs": [-12.5]},
    ]
    return {
        "by": "tools/reference/tinker_sdk_messages.py with tinker 0.38.0",
        "requests": [
            request("cross_entropy", None, True, weighted),
            request("cross_entropy", None, False, weighted),
            request("ppo", clip, False, rows),
        ],
        "passes": [passed(pass_message(outputs, {"loss:sum": 12.25, "entropy:sum": -0.0})), passed(pass_message(outputs, {}, 4)), passed(pass_message([], {}))],
        "samples": [sampled(sample_message(sequences, None)), sampled(sample_message(sequences[1:], [None, -11.5, -0.25]))],
    }


def answer(job: dict[str, Any]) -> dict[str, Any]:
    if "read" in job:
        return read_request(base64.b64decode(job["read"]))
    what = job["write"]
    if "sequences" in what:
        return sampled(sample_message(what["sequences"], what.get("prompt_logprobs")))
    return passed(pass_message(what["outputs"], what["metrics"], what["cut"]))


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        for line in sys.stdin:
            print(json.dumps(answer(json.loads(line))), flush=True)
    else:
        print(json.dumps(fixture(), indent=1))
