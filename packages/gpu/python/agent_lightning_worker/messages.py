"""Translates the protocol's protobuf messages into the shapes of its JSON, and results back. Everything else knows only those.

The messages are described in `packages/tinker/proto/tinker.proto` of the project; `tinker_messages.json` is generated from it.
Numbers travel as little-endian bytes: int32 tokens, float32 log-probabilities, int64 offsets.
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from agent_lightning_worker.errors import WorkerError

PROTOBUF = "application/x-protobuf"
"""The content type of such messages."""

assert sys.byteorder == "little", "the worker reads the bytes of numbers as they are"


def _read_descriptors() -> descriptor_pool.DescriptorPool:
    text = (Path(__file__).parent / "tinker_messages.json").read_text()
    pool = descriptor_pool.DescriptorPool()
    pool.Add(json_format.Parse(text, descriptor_pb2.FileDescriptorProto()))
    return pool


_POOL = _read_descriptors()


def _message(name: str) -> Any:
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"tinker_public.{name}"))


_Request, _PassOutput, _Samples = map(_message, ("ForwardBackwardRequest", "ForwardBackwardOutput", "SampleResponse"))
_DTYPES = _POOL.FindEnumTypeByName("tinker_public.DType").values_by_number
_FLOAT32 = _POOL.FindEnumTypeByName("tinker_public.DType").values_by_name["DTYPE_FLOAT32"].number
_STOP_REASONS = {
    reason: _POOL.FindEnumTypeByName("tinker_public.StopReason").values_by_name[f"STOP_REASON_{reason.upper()}"].number
    for reason in ("stop", "length")
}
_NUMPY = {"float32": np.dtype(np.float32), "int64": np.dtype(np.int64)}


def read_pass_message(raw: bytes) -> tuple[str, dict[str, Any]]:
    """The route that a pass is for, `forward` or `forward_backward`, and the body that its JSON would have.

    @raises WorkerError for bytes that are no such message, and for what is not trained on here
    """
    try:
        request = _Request.FromString(raw)
    except DecodeError as error:
        raise WorkerError(f"body: not a ForwardBackwardRequest: {error}", field="body") from None
    route = "forward" if request.forward_only else "forward_backward"
    name = f"{route}_input"
    _refuse_unknown(request, "body")
    config = dict(request.loss_fn_config)
    for key, value in request.loss_fn_config_v2.items():
        _refuse_unknown(value, f"{name}.loss_fn_config.{key}")
        config[key] = getattr(value, value.WhichOneof("value") or "text")
    data = [_datum(datum, f"{name}.data[{index}]") for index, datum in enumerate(request.data)]
    body = {"data": data, "loss_fn": request.loss_fn} | ({"loss_fn_config": config} if config else {})
    return route, {"model_id": request.model_id, "seq_id": request.seq_id, name: body}


def write_result(body: dict[str, Any]) -> bytes | None:
    """A result as a protobuf message; None for one that always travels as JSON."""
    if "loss_fn_outputs" in body:
        return _write_pass(body)
    return _write_samples(body) if "sequences" in body else None


def _datum(datum: Message, name: str) -> dict[str, Any]:
    _refuse_unknown(datum, name)
    for field in ("model_input_spans", "loss_fn_input_spans"):
        if getattr(datum, field):
            raise _refused(f"{name}.{field}", "this worker trains on a datum wherever it came from; leave it out")
    chunks = [_chunk(chunk, f"{name}.model_input.chunks[{i}]") for i, chunk in enumerate(datum.model_input)]
    inputs = {k: _tensor(t, f"{name}.loss_fn_inputs.{k}") for k, t in datum.loss_fn_inputs.items()}
    return {"model_input": {"chunks": chunks}, "loss_fn_inputs": inputs}


def _chunk(chunk: Message, name: str) -> dict[str, Any]:
    _refuse_unknown(chunk, name)
    kind = chunk.WhichOneof("chunk")
    if kind != "encoded_text":
        return {"type": kind or "nothing"}
    _refuse_unknown(chunk.encoded_text, name)
    return {"type": kind, "tokens": _numbers(chunk.encoded_text.tokens, np.dtype(np.int32), f"{name}.tokens")}


def _tensor(tensor: Message, name: str) -> dict[str, Any]:
    _refuse_unknown(tensor, name)
    if tensor.HasField("sparse_csr"):
        raise _refused(name, "a sparse tensor; this worker takes dense ones")
    known = _DTYPES.get(tensor.dtype)
    dtype = str(tensor.dtype) if known is None else known.name.removeprefix("DTYPE_").lower()
    if dtype not in _NUMPY:
        raise _refused(f"{name}.dtype", f"expected float32 or int64, got {dtype}")
    values = _numbers(tensor.dense, _NUMPY[dtype], f"{name}.data")
    return {"data": values, "dtype": dtype} | ({"shape": list(tensor.shape)} if tensor.shape else {})


def _numbers(raw: bytes, dtype: np.dtype, name: str) -> list[Any]:
    if len(raw) % dtype.itemsize:
        raise _refused(name, f"{len(raw)} bytes, which end inside a number of {dtype}")
    return np.frombuffer(raw, dtype).tolist()


def _refused(name: str, problem: str) -> WorkerError:
    return WorkerError(f"{name}: {problem}", field=name, code="samples-invalid")


def _refuse_unknown(message: Message, name: str) -> None:
    """@raises WorkerError when there is a field that nobody reads, so that no option is ignored in silence"""
    unknown = UnknownFieldSet(message)
    if len(unknown):
        raise WorkerError(f"{name}: the protobuf field {unknown[0].field_number} is unknown to this worker", field=name)


def _write_pass(body: dict[str, Any]) -> bytes:
    """All datums in one record: their arrays one after another, and where each begins and ends, in bytes."""
    message = _PassOutput(loss_fn_output_type=body["loss_fn_output_type"], metrics=body["metrics"])
    outputs = body["loss_fn_outputs"]
    record = message.loss_fn_outputs.add(num_datums=len(outputs))
    for name in outputs[0]:
        arrays = [_floats(output[name]["data"]) for output in outputs]
        field = record.fields[name]
        field.data, field.dtype = b"".join(arrays), _FLOAT32
        field.offsets = np.cumsum([0, *map(len, arrays)], dtype=np.int64).tobytes()
    return message.SerializeToString()


def _write_samples(body: dict[str, Any]) -> bytes:
    message = _Samples()
    for sequence in body["sequences"]:
        message.sequences.add(
            stop_reason=_STOP_REASONS[sequence["stop_reason"]],
            tokens=np.asarray(sequence["tokens"], np.int32).tobytes(),
            logprobs=_floats(sequence["logprobs"]),
        )
    if "prompt_logprobs" in body:
        message.prompt_logprobs = _floats(body["prompt_logprobs"])
    return message.SerializeToString()


def _floats(values: Iterable[float | None]) -> bytes:
    """NaN for what JSON has null for."""
    return np.asarray([np.nan if value is None else value for value in values], np.float32).tobytes()
