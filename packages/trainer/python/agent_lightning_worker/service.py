"""What each route of the wire means: reads the request, queues the work, words the answer."""

import hashlib
import itertools
import json
import logging
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from agent_lightning_worker import __version__, checkpoints
from agent_lightning_worker.device_thread import DeviceThread, describe
from agent_lightning_worker.errors import WorkerError
from agent_lightning_worker.fields import Fields
from agent_lightning_worker.futures import Future, Futures
from agent_lightning_worker.losses import LOSSES
from agent_lightning_worker.network import Network
from agent_lightning_worker.policy import PassResult, Policy, Weights
from agent_lightning_worker.registry import Model, Registry, SamplingSession
from agent_lightning_worker.sampler import Sampler
from agent_lightning_worker.sampling_lane import SampleRequest, SamplingLimits
from agent_lightning_worker.sessions import Sessions
from agent_lightning_worker.state_directory import StateDirectory, check_name
from agent_lightning_worker.wire import (
    IGNORED,
    LORA_ALPHA,
    MAX_INTEGER,
    MAX_SAMPLES,
    ModelLimits,
    read_adam,
    read_lora,
    read_pass,
    read_sampling,
    read_tokens,
    tensor_body,
)

log = logging.getLogger(__name__)

Json = dict[str, Any]


@dataclass(frozen=True)
class ServiceOptions:
    model_name: str
    model_directory: Path
    max_context: int
    token_budget: int
    seed: int
    session_timeout_seconds: float
    sampling: SamplingLimits


class Service:
    def __init__(
        self,
        network: Network,
        tokenizer: PreTrainedTokenizerBase | None,
        end_tokens: frozenset[int],
        state: StateDirectory,
        options: ServiceOptions,
    ) -> None:
        self._network = network
        self._tokenizer = tokenizer
        self._end_tokens = end_tokens
        self._options = options
        self._limits = ModelLimits(network.vocabulary, options.max_context)
        self._seeds = itertools.count(options.seed)
        self._sampler_numbers = itertools.count(1)
        self._sampler = Sampler(tokenizer, options.sampling)
        self._device = DeviceThread(self._sampler)
        self.state = state
        self.sessions = Sessions(options.session_timeout_seconds)
        self.futures = Futures()
        self.registry = Registry()
        self.posts: dict[str, Callable[[Fields], Json]] = {
            "client/config": self._client_config,
            "telemetry": lambda _: {"status": "accepted"},
            "create_session": self._create_session,
            "session_heartbeat": self._heartbeat,
            "create_model": self._create_model,
            "get_info": self._get_info,
            "unload_model": self._unload_model,
            "forward": lambda fields: self._pass(fields, forward_only=True),
            "forward_backward": lambda fields: self._pass(fields, forward_only=False),
            "optim_step": self._optim_step,
            "save_weights": self._save_weights,
            "load_weights": self._load_weights,
            "save_weights_for_sampler": self._save_weights_for_sampler,
            "export_model": self._export_model,
            "weights_info": self._weights_info,
            "create_sampling_session": self._create_sampling_session,
            "unload_sampler": self._unload_sampler,
            "asample": self._sample,
            "retrieve_future": self._retrieve_future,
        }

    def start(self) -> None:
        self._device.start()

    def stop(self) -> None:
        self._device.stop()

    def expire(self) -> None:
        """Frees what silent clients hold; to be called now and then."""
        for session_id in self.sessions.expire():
            log.warning(
                "session %s was silent for %g s; its models are freed",
                session_id,
                self._options.session_timeout_seconds,
            )
            self.registry.remove_session(session_id)
        alive = self.registry.owners()
        self.futures.forget(lambda owner: owner in alive or self.sessions.is_alive(owner))

    def capabilities(self) -> Json:
        options, network = self._options, self._network
        worker = {
            "version": __version__,
            "losses": list(LOSSES),
            "mask": True,
            "adam_fields": ["learning_rate", "beta1", "beta2", "eps", "weight_decay", "grad_clip_norm"],
            "lora_alpha_default": LORA_ALPHA,
            "max_datum_tokens": options.max_context,
            "device": str(network.device),
            "dtype": str(network.dtype).removeprefix("torch."),
            "full_fine_tune": True,
            "load_in_place": True,
            "sampling": network.cache_bytes_per_token > 0,
            "packing": network.can_pack,
            "token_budget": options.token_budget,
            "session_timeout_seconds": options.session_timeout_seconds,
            "description": f"{options.model_name} on {network.device} in {str(network.dtype).removeprefix('torch.')} (PyTorch worker {__version__})",
        }
        models = [{"model_name": options.model_name, "max_context_length": options.max_context}]
        return {"supported_models": models, "worker": worker}

    # Sessions

    def _client_config(self, _fields: Fields) -> Json:
        """The official client's flags: JSON, one chunk of a pass after the other."""
        return {"pjwt_auth_enabled": False, "parallel_fwdbwd_chunks": False, "proto_write_fwdbwd": False}

    def _create_session(self, fields: Fields) -> Json:
        fields.done(*IGNORED)
        return {"type": "create_session", "session_id": self.sessions.create()}

    def _heartbeat(self, fields: Fields) -> Json:
        self.sessions.touch(fields.text("session_id"))
        fields.done(*IGNORED)
        return {"type": "session_heartbeat"}

    # Models

    def _create_model(self, fields: Fields) -> Json:
        session_id = fields.text("session_id")
        self.sessions.touch(session_id)
        number = fields.integer("model_seq_id", 0, MAX_INTEGER)
        self._check_base(fields)
        spec = read_lora(fields.object("lora_config"), self._options.seed)
        fields.done(*IGNORED)
        model = Model(f"{session_id}-train-{number}", session_id)

        def operation() -> Json:
            model.policy = Policy(self._network, spec, self._options.token_budget)
            return {"type": "create_model", "model_id": model.id}

        def start(future: Future) -> None:
            self.registry.add(model)
            self._queue(operation)(future)

        return self._submit(session_id, ("create_model", number), fields, start) | {"model_id": model.id}

    def _get_info(self, fields: Fields) -> Json:
        model = self._model(fields)
        fields.done(*IGNORED)
        spec = self._policy(model).spec
        name = self._options.model_name
        data = {
            "arch": type(self._network.module).__name__,
            "model_name": name,
            "tokenizer_id": str(self._options.model_directory),
        }
        info = {
            "model_id": model.id,
            "model_name": name,
            "is_lora": spec.rank > 0,
            "lora_rank": spec.rank,
            "model_data": data,
        }
        return {"type": "get_info", **info}

    def _unload_model(self, fields: Fields) -> Json:
        model = self._model(fields)
        fields.done(*IGNORED)

        def operation() -> Json:
            self.registry.remove(model.id)
            return {"type": "unload_model", "model_id": model.id}

        return self._submit(model.id, "unload", fields, self._queue(operation))

    def _pass(self, fields: Fields, *, forward_only: bool) -> Json:
        model, number = self._model(fields), self._number(fields)
        key = "forward_input" if forward_only else "forward_backward_input"
        request = read_pass(fields.object(key), self._limits, forward_only=forward_only)
        fields.done(*IGNORED)

        def operation() -> Json:
            policy = self._policy(model)
            if forward_only:
                return _pass_body(policy.forward(request.data))
            return _pass_body(policy.forward_backward(request.data, request.loss_name, request.clip))

        return self._submit(model.id, number, fields, self._queue(operation))

    def _optim_step(self, fields: Fields) -> Json:
        model, number = self._model(fields), self._number(fields)
        adam = read_adam(fields.object("adam_params"))
        fields.done(*IGNORED)

        def operation() -> Json:
            policy = self._policy(model)
            norm = policy.optim_step(adam)
            return {"type": "optim_step", "metrics": {"grad_norm": norm, "step": policy.optimizer.steps}}

        return self._submit(model.id, number, fields, self._queue(operation))

    # Checkpoints

    def _save_weights(self, fields: Fields) -> Json:
        model, number, name, overwrite = self._saving(fields)

        def operation() -> Json:
            policy = self._policy(model)
            self.state.write(
                model.id,
                "weights",
                name,
                overwrite,
                lambda path: checkpoints.save_state(policy, self._options.model_name, path),
            )
            return {"type": "save_weights", "path": f"tinker://{model.id}/weights/{name}"}

        return self._submit(model.id, number, fields, self._queue(operation))

    def _load_weights(self, fields: Fields) -> Json:
        model, number = self._model(fields), self._number(fields)
        path = self.state.resolve(fields.get("path"), ("weights",))
        with_optimizer = fields.flag("optimizer", False)
        fields.done(*IGNORED)

        def operation() -> Json:
            checkpoints.load_state(self._policy(model), path, with_optimizer)
            return {"type": "load_weights", "path": f"tinker://{path.parts[-3]}/weights/{path.name}"}

        return self._submit(model.id, number, fields, self._queue(operation))

    def _save_weights_for_sampler(self, fields: Fields) -> Json:
        if not fields.has("sampling_session_seq_id"):
            return self._save_named_for_sampler(fields)
        model, number = self._model(fields), self._number(fields)
        fields.integer("sampling_session_seq_id", 0, MAX_INTEGER)
        fields.done(*IGNORED)

        def operation() -> Json:
            sampler = self._open_sampler(model.session_id, self._policy(model).snapshot())
            return {"type": "save_weights_for_sampler", "sampling_session_id": sampler.id}

        return self._submit(model.id, number, fields, self._queue(operation))

    def _save_named_for_sampler(self, fields: Fields) -> Json:
        model, number, name, overwrite = self._saving(fields)

        def operation() -> Json:
            policy = self._policy(model)
            weights = policy.snapshot()
            base = self._options.model_directory
            path = self.state.write(
                model.id,
                "sampler_weights",
                name,
                overwrite,
                lambda directory: checkpoints.save_for_sampler(weights, policy.spec, base, directory),
            )
            adapter = {"adapter_directory": str(path)} if policy.spec.rank > 0 else {}
            return {"type": "save_weights_for_sampler", "path": f"tinker://{model.id}/sampler_weights/{name}"} | adapter

        return self._submit(model.id, number, fields, self._queue(operation))

    def _export_model(self, fields: Fields) -> Json:
        model, number, name, overwrite = self._saving(fields)

        def operation() -> Json:
            weights = self._policy(model).snapshot()
            base = self._options.model_directory
            path = self.state.write(
                model.id, "exports", name, overwrite, lambda directory: checkpoints.save_model(weights, base, directory)
            )
            files = [{"name": file.name, "size_bytes": file.stat().st_size} for file in sorted(path.iterdir())]
            return {"type": "export_model", "path": f"tinker://{model.id}/exports/{name}", "files": files}

        return self._submit(model.id, number, fields, self._queue(operation))

    def _weights_info(self, fields: Fields) -> Json:
        path = self.state.resolve(fields.get("tinker_path"), ("weights",), "tinker_path")
        fields.done(*IGNORED)
        base_model, spec, _ = checkpoints.read_state(path)
        flags = {"train_attn": spec.train_attn, "train_mlp": spec.train_mlp, "train_unembed": spec.train_unembed}
        return {"base_model": base_model, "is_lora": spec.rank > 0, "lora_rank": spec.rank, **flags}

    def checkpoints(self, model_id: str) -> list[Json]:
        """What a model has saved, in this worker's life or an earlier one's."""
        return [
            {
                "checkpoint_id": f"{kind}/{path.name}",
                "checkpoint_type": kind_name,
                "time": datetime.fromtimestamp(path.stat().st_mtime, timezone.utc).isoformat(),
                "tinker_path": f"tinker://{model_id}/{kind}/{path.name}",
            }
            for kind, kind_name in (("weights", "training"), ("sampler_weights", "sampler"))
            for path in self.state.list(model_id, kind)
        ]

    # Sampling

    def _create_sampling_session(self, fields: Fields) -> Json:
        session_id = fields.text("session_id")
        self.sessions.touch(session_id)
        number = fields.integer("sampling_session_seq_id", 0, MAX_INTEGER)
        path = (
            self.state.resolve(fields.get("model_path"), ("sampler_weights",), "model_path")
            if fields.has("model_path")
            else None
        )
        if path is None or fields.has("base_model"):
            self._check_base(fields)
        fields.done(*IGNORED)

        def open_sampler() -> str:
            base = Weights(self._network, None)
            weights = base if path is None else checkpoints.load_sampler_weights(path, self._network)
            return self._open_sampler(session_id, weights).id

        sampler_id = self.futures.once(
            session_id, ("create_sampling_session", number), _fingerprint(fields), open_sampler
        )
        return {"type": "create_sampling_session", "sampling_session_id": sampler_id}

    def _unload_sampler(self, fields: Fields) -> Json:
        sampler = self._sampling_session(fields)
        fields.done(*IGNORED)
        self.registry.remove(sampler.id)
        return {"type": "unload_sampler", "sampling_session_id": sampler.id}

    def _sample(self, fields: Fields) -> Json:
        if self._network.cache_bytes_per_token == 0:
            raise WorkerError(
                "this model has no ordinary key-value cache, so this worker cannot sample it; the log says why"
            )
        sampler, number = self._sampling_session(fields), self._number(fields)
        prompt = read_tokens(fields.object("prompt"), self._limits)
        room = self._options.max_context - len(prompt)
        if room < 1:
            raise WorkerError(
                f"prompt: its {len(prompt)} tokens leave no room in the context of {self._options.max_context}",
                field="prompt",
                code="context-exceeded",
            )
        params = read_sampling(
            fields.object("sampling_params", {}), room, next(self._seeds), self._end_tokens, self._tokenizer is not None
        )
        count = fields.integer("num_samples", 1, MAX_SAMPLES, 1)
        wants_prompt_logprobs = fields.flag("prompt_logprobs", False)
        if fields.integer("topk_prompt_logprobs", 0, MAX_INTEGER, 0) != 0:
            raise fields.wrong(
                "topk_prompt_logprobs", "0 (this worker does not give alternatives)", fields.get("topk_prompt_logprobs")
            )
        fields.done(*IGNORED)

        def start(future: Future) -> None:
            request = SampleRequest(
                sampler.weights,
                prompt,
                count,
                params,
                wants_prompt_logprobs,
                done=lambda body: self.futures.settle(future, body),
                failed=lambda error: self.futures.settle(future, describe(error).body()),
            )
            self._sampler.add(request)
            self._device.wake()

        return self._submit(sampler.id, number, fields, start)

    def _retrieve_future(self, fields: Fields) -> Json:
        request_id = fields.text("request_id")
        fields.done(*IGNORED, "allow_metadata_only")
        return self.futures.retrieve(request_id)

    # What they share

    def _check_base(self, fields: Fields) -> None:
        options = self._options
        base = fields.text("base_model")
        if base not in (options.model_name, str(options.model_directory)):
            raise fields.wrong(
                "base_model", f"{options.model_name!r}, the model that this worker was started with", base
            )

    def _model(self, fields: Fields) -> Model:
        model = self.registry.model(fields.text("model_id"))
        self.sessions.touch(model.session_id)
        return model

    @staticmethod
    def _policy(model: Model) -> Policy:
        if model.policy is None:
            raise WorkerError(f"model_id: {model.id} could not be created", field="model_id")
        return model.policy

    def _sampling_session(self, fields: Fields) -> SamplingSession:
        sampler = self.registry.sampler(fields.text("sampling_session_id"))
        self.sessions.touch(sampler.session_id)
        return sampler

    def _saving(self, fields: Fields) -> tuple[Model, int, str, bool]:
        model, number = self._model(fields), self._number(fields)
        name, overwrite = check_name(fields.get("path"), "path"), fields.flag("overwrite", False)
        fields.done(*IGNORED)
        return model, number, name, overwrite

    def _open_sampler(self, session_id: str, weights: Weights) -> SamplingSession:
        sampler = SamplingSession(f"{session_id}-sample-{next(self._sampler_numbers)}", session_id, weights)
        self.registry.add(sampler)
        return sampler

    @staticmethod
    def _number(fields: Fields) -> int:
        return fields.integer("seq_id", 0, MAX_INTEGER)

    def _submit(self, owner: str, key: Hashable, fields: Fields, start: Callable[[Future], None]) -> Json:
        return {"request_id": self.futures.submit(owner, key, _fingerprint(fields), start)}

    def _queue(self, operation: Callable[[], Json]) -> Callable[[Future], None]:
        return lambda future: self._device.submit(operation, lambda body: self.futures.settle(future, body))


def _pass_body(result: PassResult) -> Json:
    outputs = [{"logprobs": tensor_body(logprobs)} for logprobs in result.logprobs]
    sums = {"loss:sum": result.loss, "entropy:sum": result.entropy, "trained_tokens:sum": result.trained_tokens}
    return {
        "type": "forward_backward",
        "loss_fn_output_type": "TorchLossReturn",
        "loss_fn_outputs": outputs,
        "metrics": sums,
    }


def _fingerprint(fields: Fields) -> str:
    """The same for the same body, whatever the order of its keys."""
    return hashlib.blake2b(json.dumps(fields.value, sort_keys=True).encode()).hexdigest()
