"""Routes that write models to the state directory and read them back."""

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from agent_lightning_worker import checkpoints
from agent_lightning_worker.errors import WorkerError
from agent_lightning_worker.fields import Fields
from agent_lightning_worker.policy import Policy
from agent_lightning_worker.registry import canonical_id
from agent_lightning_worker.state_directory import check_name
from agent_lightning_worker.wire import IGNORED, MAX_INTEGER, check_optimizer
from agent_lightning_worker.worker import Json, Worker, policy_of, sequence_number


def save_weights(worker: Worker, fields: Fields) -> Json:
    name = worker.options.model_name
    return _save(worker, fields, "weights", lambda policy, path: checkpoints.save_state(policy, name, path))


def save_weights_for_sampler(worker: Worker, fields: Fields) -> Json:
    """Under a name, on disk; or for a sampling session, in memory."""
    if (kind := fields.text("kind", "snapshot")) != "snapshot":
        raise fields.wrong("kind", "'snapshot' (this worker's versions never change)", kind)
    if fields.has("sampling_session_seq_id"):
        return _publish(worker, fields)
    base = worker.options.model_directory

    def fill(policy: Policy, path: Path) -> None:
        checkpoints.save_for_sampler(policy.snapshot(), policy.spec, base, path)

    def more(policy: Policy, path: Path) -> Json:
        return {"adapter_directory": str(path)} if policy.spec.rank > 0 else {}

    return _save(worker, fields, "sampler_weights", fill, more)


def export_model(worker: Worker, fields: Fields) -> Json:
    base = worker.options.model_directory

    def more(_policy: Policy, path: Path) -> Json:
        return {"files": [{"name": f.name, "size_bytes": f.stat().st_size} for f in sorted(path.iterdir())]}

    return _save(worker, fields, "exports", lambda p, path: checkpoints.save_model(p.snapshot(), base, path), more)


def load_weights(worker: Worker, fields: Fields) -> Json:
    """Into a model; or, without one, into a new model of the kind that the state was saved of."""
    if not fields.has("model_id") and fields.has("session_id"):
        return _create_from_state(worker, fields)
    model, number = worker.model(fields), sequence_number(fields)
    path = worker.state.resolve(fields.get("path"), ("weights",))
    with_optimizer = fields.flag("optimizer", False)
    fields.done(*IGNORED)

    def operation() -> Json:
        checkpoints.load_state(policy_of(model), path, with_optimizer)
        return _loaded(path)

    return worker.submit(model.id, number, fields, operation)


def _create_from_state(worker: Worker, fields: Fields) -> Json:
    session_id = fields.text("session_id")
    worker.sessions.touch(session_id)
    fields.integer("model_seq_id", 0, MAX_INTEGER)
    path = worker.state.resolve(fields.get("path"), ("weights",))
    with_optimizer = fields.flag("optimizer", False)
    if fields.has("base_model"):
        worker.check_base(fields)
    check_optimizer(fields)
    fields.done(*IGNORED)
    base, spec, _ = checkpoints.read_state(path)
    if base != worker.options.model_name:
        raise WorkerError(
            f"path: the state was saved of {base!r}, and this worker has {worker.options.model_name!r}", field="path"
        )

    def make() -> Policy:
        policy = Policy(worker.network, spec, worker.options.token_budget)
        checkpoints.load_state(policy, path, with_optimizer)
        return policy

    return worker.submit_model(session_id, fields, make, _loaded(path))


def _loaded(path: Path) -> Json:
    return {"type": "load_weights", "path": f"tinker://{path.parts[-3]}/weights/{path.name}"}


def weights_info(worker: Worker, fields: Fields) -> Json:
    path = worker.state.resolve(fields.get("tinker_path"), ("weights",), "tinker_path")
    fields.done(*IGNORED)
    base_model, spec, _ = checkpoints.read_state(path)
    flags = {"train_attn": spec.train_attn, "train_mlp": spec.train_mlp, "train_unembed": spec.train_unembed}
    return {"base_model": base_model, "is_lora": spec.rank > 0, "lora_rank": spec.rank, **flags}


def list_checkpoints(worker: Worker, model_id: str) -> Json:
    """What a model has saved, in this worker's life or an earlier one's."""
    model_id = canonical_id(model_id)

    def entry(kind: str, training: str, path: Path) -> Json:
        time = datetime.fromtimestamp(path.stat().st_mtime, timezone.utc).isoformat()
        reference = {"checkpoint_id": f"{kind}/{path.name}", "tinker_path": f"tinker://{model_id}/{kind}/{path.name}"}
        return reference | {"checkpoint_type": training, "time": time}

    kinds = (("weights", "training"), ("sampler_weights", "sampler"))
    return {"checkpoints": [entry(k, t, path) for k, t in kinds for path in worker.state.list(model_id, k)]}


def _save(
    worker: Worker,
    fields: Fields,
    kind: str,
    fill: Callable[[Policy, Path], None],
    more: Callable[[Policy, Path], Json] = lambda _policy, _path: {},
) -> Json:
    """`fill` writes the directory; `more` adds to the answer."""
    model, number = worker.model(fields), sequence_number(fields)
    name, overwrite = check_name(fields.get("path"), "path"), fields.flag("overwrite", False)
    fields.done(*IGNORED)

    def operation() -> Json:
        policy = policy_of(model)
        path = worker.state.write(model.id, kind, name, overwrite, lambda directory: fill(policy, directory))
        return {"path": f"tinker://{model.id}/{kind}/{name}", **more(policy, path)}

    return worker.submit(model.id, number, fields, operation)


def _publish(worker: Worker, fields: Fields) -> Json:
    model, number = worker.model(fields), sequence_number(fields)
    fields.integer("sampling_session_seq_id", 0, MAX_INTEGER)
    fields.done(*IGNORED)

    def operation() -> Json:
        return {"sampling_session_id": worker.open_sampler(model.session_id, policy_of(model).snapshot()).id}

    return worker.submit(model.id, number, fields, operation)
