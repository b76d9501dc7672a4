"""Routes that make, train and drop models."""

from agent_lightning_worker.fields import Fields
from agent_lightning_worker.policy import PassResult, Policy
from agent_lightning_worker.wire import (
    IGNORED,
    MAX_INTEGER,
    OPTIMIZER,
    check_optimizer,
    read_adam,
    read_lora,
    read_pass,
    tensor_body,
)
from agent_lightning_worker.worker import Json, Worker, policy_of, sequence_number


def create_model(worker: Worker, fields: Fields) -> Json:
    session_id = fields.text("session_id")
    worker.sessions.touch(session_id)
    fields.integer("model_seq_id", 0, MAX_INTEGER)
    worker.check_base(fields)
    spec = read_lora(fields.object("lora_config"), worker.options.seed)
    check_optimizer(fields)
    fields.done(*IGNORED)
    make = lambda: Policy(worker.network, spec, worker.options.token_budget)
    return worker.submit_model(session_id, fields, make, {"type": "create_model"})


def get_info(worker: Worker, fields: Fields) -> Json:
    model = worker.model(fields)
    fields.done(*IGNORED)
    spec, name = policy_of(model).spec, worker.options.model_name
    arch, directory = type(worker.network.module).__name__, str(worker.options.model_directory)
    data = {"arch": arch, "model_name": name, "tokenizer_id": directory}
    lora = {"is_lora": spec.rank > 0, "lora_rank": spec.rank, "optimizer_config": {"type": OPTIMIZER}}
    return {"type": "get_info", "model_id": model.id, "model_name": name, "model_data": data, **lora}


def unload_model(worker: Worker, fields: Fields) -> Json:
    model = worker.model(fields)
    fields.done(*IGNORED)

    def operation() -> Json:
        worker.registry.remove(model.id)
        return {"type": "unload_model", "model_id": model.id}

    return worker.submit(model.session_id, ("unload_model", model.id), fields, operation)


def forward(worker: Worker, fields: Fields) -> Json:
    model, number = worker.model(fields), sequence_number(fields)
    request = read_pass(fields.object("forward_input"), worker.limits, forward_only=True)
    fields.done(*IGNORED)

    def operation() -> Json:
        return _pass_body(policy_of(model).forward(request.data, request.with_values))

    return worker.submit(model.id, number, fields, operation)


def forward_backward(worker: Worker, fields: Fields) -> Json:
    model, number = worker.model(fields), sequence_number(fields)
    request = read_pass(fields.object("forward_backward_input"), worker.limits, forward_only=False)
    fields.done(*IGNORED)

    def operation() -> Json:
        policy = policy_of(model)
        return _pass_body(policy.forward_backward(request.data, request.loss_name, request.clip, request.trunk_weight))

    return worker.submit(model.id, number, fields, operation)


def optim_step(worker: Worker, fields: Fields) -> Json:
    model, number = worker.model(fields), sequence_number(fields)
    if fields.has("optimizer_params"):
        raise fields.wrong(
            "optimizer_params", f"adam_params (this worker trains with {OPTIMIZER})", "another optimizer's"
        )
    adam = read_adam(fields.object("adam_params"))
    fields.done(*IGNORED)

    def operation() -> Json:
        policy = policy_of(model)
        norm = policy.optim_step(adam)
        return {"type": "optim_step", "metrics": {"grad_norm": norm, "step": policy.optimizer.steps}}

    return worker.submit(model.id, number, fields, operation)


def _pass_body(result: PassResult) -> Json:
    outputs = [{"logprobs": tensor_body(logprobs)} for logprobs in result.logprobs]
    for output, values in zip(outputs, result.values or [], strict=False):  # values are of all datums, or not there
        output["values"] = tensor_body(values)
    sums = {"loss:sum": result.loss, "entropy:sum": result.entropy, "trained_tokens:sum": result.trained_tokens}
    if result.value_loss is not None:
        sums["value_loss:sum"] = result.value_loss
    kind = {"type": "forward_backward", "loss_fn_output_type": "TorchLossReturn"}
    return kind | {"loss_fn_outputs": outputs, "metrics": sums}
