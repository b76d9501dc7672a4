"""Routes that open, sample and close frozen versions."""

from agent_lightning_worker import checkpoints
from agent_lightning_worker.device_thread import describe
from agent_lightning_worker.errors import WorkerError
from agent_lightning_worker.fields import Fields
from agent_lightning_worker.futures import Future
from agent_lightning_worker.policy import Weights
from agent_lightning_worker.sampling_lane import SampleRequest
from agent_lightning_worker.wire import IGNORED, LEAST_TEMPERATURE, MAX_INTEGER, MAX_SAMPLES, read_sampling, read_tokens
from agent_lightning_worker.worker import Json, Worker, fingerprint, sequence_number


def create_sampling_session(worker: Worker, fields: Fields) -> Json:
    """Of a saved version, or of the base model."""
    session_id = fields.text("session_id")
    worker.sessions.touch(session_id)
    number = fields.integer("sampling_session_seq_id", 0, MAX_INTEGER)
    path = None
    if fields.has("model_path"):
        path = worker.state.resolve(fields.get("model_path"), ("sampler_weights",), "model_path")
    if path is None or fields.has("base_model"):
        worker.check_base(fields)
    fields.done(*IGNORED)

    def create() -> str:
        base = worker.network
        weights = Weights(base, None) if path is None else checkpoints.load_sampler_weights(path, base)
        origin = None if path is None else fields.text("model_path")
        return worker.open_sampler(session_id, weights, origin).id

    sampler_id = worker.futures.once(session_id, ("create_sampling_session", number), fingerprint(fields), create)
    return {"type": "create_sampling_session", "sampling_session_id": sampler_id}


def unload_sampler(worker: Worker, fields: Fields) -> Json:
    sampler = worker.sampling_session(fields)
    fields.done(*IGNORED)
    worker.registry.remove(sampler.id)
    return {"type": "unload_sampler", "sampling_session_id": sampler.id}


def asample(worker: Worker, fields: Fields) -> Json:
    if worker.network.cache_bytes_per_token == 0:
        raise WorkerError("this model has no ordinary key-value cache, so it cannot be sampled here; the log says why")
    sampler, number = worker.sampling_session(fields), sequence_number(fields)
    prompt = read_tokens(fields.object("prompt"), worker.limits)
    room = worker.limits.max_tokens - len(prompt)
    if room < 1:
        raise WorkerError(
            f"prompt: its {len(prompt)} tokens leave no room in the context of {worker.limits.max_tokens}",
            field="prompt",
            code="context-exceeded",
        )
    params_fields = fields.object("sampling_params", {})
    params = read_sampling(params_fields, room, next(worker.seeds), worker.end_tokens, worker.has_tokenizer)
    count = fields.integer("num_samples", 1, MAX_SAMPLES, 1)
    prompt_temperature = _prompt_temperature(fields)
    for key in ("topk_prompt_logprobs", "topk_sample_logprobs", "prompt_alt_tokens_k"):
        if (alternatives := fields.integer(key, 0, MAX_INTEGER, 0)) != 0:
            raise fields.wrong(key, "0 (this worker does not give alternatives)", alternatives)
    if fields.flag("record_stability_info", False):
        raise fields.wrong("record_stability_info", "false (this worker keeps nothing of a sample)", True)
    fields.done(*IGNORED)

    def request(future: Future) -> SampleRequest:
        return SampleRequest(
            sampler.weights,
            prompt,
            count,
            params,
            prompt_temperature,
            done=lambda body: worker.futures.settle(future, body),
            failed=lambda error: worker.futures.settle(future, describe(error).body()),
        )

    accepted = worker.submit_sample(sampler.id, number, fields, request)
    # The official client names samples by these; they are the same when the request comes again.
    return accepted | {"sample_sequence_ids": [f"{accepted['request_id']}-{choice}" for choice in range(count)]}


def _prompt_temperature(fields: Fields) -> float | None:
    """None where the prompt's log-probabilities are not asked for. `prompt_logprobs_temperature` is this worker's own field."""
    temperature = fields.number("prompt_logprobs_temperature", LEAST_TEMPERATURE, 100, 1.0)
    return temperature if fields.flag("prompt_logprobs", False) else None
