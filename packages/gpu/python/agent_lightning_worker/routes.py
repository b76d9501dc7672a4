"""The protocol's routes by name."""

from collections.abc import Callable, Mapping

from agent_lightning_worker import __version__, checkpoint_routes, sampling_routes, training_routes
from agent_lightning_worker.fields import Fields
from agent_lightning_worker.losses import LOSSES
from agent_lightning_worker.wire import IGNORED, LORA_ALPHA
from agent_lightning_worker.worker import Json, Worker


def capabilities(worker: Worker) -> Json:
    options, network = worker.options, worker.network
    dtype = str(network.dtype).removeprefix("torch.")
    extensions = {
        "version": __version__,
        "losses": list(LOSSES),
        "dual_clip": True,
        "mask": True,
        "critic": True,
        "temperature": True,
        "adam_fields": [
            "learning_rate",
            "beta1",
            "beta2",
            "eps",
            "weight_decay",
            "grad_clip_norm",
            "critic_learning_rate",
        ],
        "lora_alpha_default": LORA_ALPHA,
        "max_datum_tokens": options.max_context,
        "device": str(network.device),
        "dtype": dtype,
        "full_fine_tune": True,
        "load_in_place": True,
        "sampling": network.cache_bytes_per_token > 0,
        "packing": network.can_pack,
        "token_budget": options.token_budget,
        "session_timeout_seconds": options.session_timeout_seconds,
        "description": f"{options.model_name} on {network.device} in {dtype} (PyTorch worker {__version__})",
    }
    models = [{"model_name": options.model_name, "max_context_length": options.max_context}]
    return {"supported_models": models, "worker": extensions}


def _client_config(_worker: Worker, _fields: Fields) -> Json:
    """The official client's flags: one chunk of a pass after the other; JSON from clients that can still send it."""
    return {"pjwt_auth_enabled": False, "parallel_fwdbwd_chunks": False, "proto_write_fwdbwd": False}


def _dynamic_config(_worker: Worker, _fields: Fields) -> Json:
    """The official client's flags that it asks for again now and then: samples are not cancelled."""
    return {"refresh_interval_sec": 300, "sample_cancel_enabled": False}


def _create_session(worker: Worker, fields: Fields) -> Json:
    fields.done(*IGNORED)
    return {"type": "create_session", "session_id": worker.sessions.create()}


def _session_heartbeat(worker: Worker, fields: Fields) -> Json:
    worker.sessions.touch(fields.text("session_id"))
    fields.done(*IGNORED)
    return {"type": "session_heartbeat"}


def _telemetry(_worker: Worker, _fields: Fields) -> Json:
    """The official client sends its own; nothing is kept."""
    return {"status": "accepted"}


def _retrieve_future(worker: Worker, fields: Fields) -> Json:
    request_id = fields.text("request_id")
    fields.done(*IGNORED, "allow_metadata_only")
    return worker.futures.retrieve(request_id)


def get_sampler(worker: Worker, sampler_id: str) -> Json:
    """What a sampling session samples from."""
    sampler = worker.registry.sampler(sampler_id)
    worker.sessions.touch(sampler.session_id)
    origin = {} if sampler.model_path is None else {"model_path": sampler.model_path}
    return {"sampler_id": sampler.id, "base_model": worker.options.model_name, **origin}


POSTS: Mapping[str, Callable[[Worker, Fields], Json]] = {
    "client/config": _client_config,
    "client/dynamic_config": _dynamic_config,
    "telemetry": _telemetry,
    "create_session": _create_session,
    "session_heartbeat": _session_heartbeat,
    "retrieve_future": _retrieve_future,
    "create_model": training_routes.create_model,
    "get_info": training_routes.get_info,
    "unload_model": training_routes.unload_model,
    "forward": training_routes.forward,
    "forward_backward": training_routes.forward_backward,
    "optim_step": training_routes.optim_step,
    "save_weights": checkpoint_routes.save_weights,
    "save_weights_for_sampler": checkpoint_routes.save_weights_for_sampler,
    "export_model": checkpoint_routes.export_model,
    "load_weights": checkpoint_routes.load_weights,
    "weights_info": checkpoint_routes.weights_info,
    "create_sampling_session": sampling_routes.create_sampling_session,
    "unload_sampler": sampling_routes.unload_sampler,
    "asample": sampling_routes.asample,
}
