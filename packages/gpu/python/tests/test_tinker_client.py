"""The official Python client, unchanged, trains against this worker."""

import os

import pytest
import tinker
from tinker import types
from worker_process import KEY

TEXT = list(b"hello world")


@pytest.fixture(scope="module")
def service(worker):
    os.environ["TINKER_API_KEY"], os.environ["TINKER_BASE_URL"] = KEY, worker.url
    os.environ["TINKER_TELEMETRY"] = "0"
    return tinker.ServiceClient()


def datum() -> types.Datum:
    return types.Datum(
        model_input=types.ModelInput.from_ints(TEXT[:-1]),
        loss_fn_inputs={"target_tokens": TEXT[1:], "weights": [1.0] * (len(TEXT) - 1)},
    )


def test_it_trains_saves_and_samples(service):
    assert service.get_server_capabilities().supported_models[0].model_name == "model"
    training = service.create_lora_training_client(base_model="model", rank=8, seed=3)
    assert training.get_info().lora_rank == 8
    adam = types.AdamParams(learning_rate=1e-2)
    for _ in range(25):
        passed, stepped = training.forward_backward([datum()], "cross_entropy"), training.optim_step(adam)
        loss = passed.result().metrics["loss:sum"]
        assert stepped.result().metrics["grad_norm"] > 0
    assert loss < 1
    sampling = training.save_weights_and_get_sampling_client()
    params = types.SamplingParams(max_tokens=10, temperature=0.3, seed=1)
    answer = sampling.sample(types.ModelInput.from_ints(TEXT[:1]), 2, params).result()
    assert [list(sequence.tokens) for sequence in answer.sequences] == [TEXT[1:]] * 2
    logprobs = sampling.compute_logprobs(types.ModelInput.from_ints(TEXT)).result()
    assert logprobs[0] is None and -sum(logprobs[1:]) < 1
    named = training.save_weights_for_sampler("v1").result().path
    reopened = service.create_sampling_client(model_path=named)
    again = reopened.sample(types.ModelInput.from_ints(TEXT[:1]), 1, params).result()
    assert list(again.sequences[0].tokens) == TEXT[1:]


def test_its_custom_losses_and_resumed_runs_work(service):
    training = service.create_lora_training_client(base_model="model", rank=4)
    adam = types.AdamParams(learning_rate=1e-2)

    def loss(_data, logprobs):
        value = -sum(tensor.sum() for tensor in logprobs)
        return value, {"mine": value.item()}

    for _ in range(3):
        custom = training.forward_backward_custom([datum()], loss).result().metrics
        training.optim_step(adam).result()
    path = training.save_state("three").result().path
    resumed = service.create_training_client_from_state_with_optimizer(path)
    losses = [made.forward([datum()], "cross_entropy").result() for made in (training, resumed)]
    first, second = (list(answer.loss_fn_outputs[0]["logprobs"].data) for answer in losses)
    assert first == second and -sum(first) < custom["mine"]
    steps = [
        (made.forward_backward([datum()], "cross_entropy").result(), made.optim_step(adam).result().metrics)
        for made in (training, resumed)
    ]
    assert steps[0][1] == steps[1][1] and steps[0][1]["step"] == 4


def test_its_reinforcement_learning_losses_work(service):
    training = service.create_lora_training_client(base_model="model", rank=4)
    tensors = {"target_tokens": TEXT[1:], "logprobs": [-5.0] * 10, "advantages": [0.0] * 5 + [1.0] * 5}
    row = types.Datum(model_input=types.ModelInput.from_ints(TEXT[:-1]), loss_fn_inputs=tensors)
    for name in ("importance_sampling", "ppo", "cispo"):
        answer = training.forward_backward([row], name).result()
        assert answer.metrics["trained_tokens:sum"] == 5
    assert training.optim_step(types.AdamParams()).result().metrics["grad_norm"] > 0
