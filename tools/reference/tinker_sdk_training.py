"""Trains against a Tinker-style server with the newest official Python SDK (tinker 0.38.0), and checks what comes back.

    python tools/reference/tinker_sdk_training.py URL MODEL_NAME          (key in TINKER_API_KEY, beginning with tml-)

`packages/tinker/test/official-sdk.full.test.ts` runs it against the worker. It ends with one line of JSON, or with an assertion.
"""

import json
import sys

import tinker
from tinker import types

TEXT = list(b"hello world")


def row(**inputs: list[float]) -> types.Datum:
    return types.Datum(
        model_input=types.ModelInput.from_ints(TEXT[:-1]), loss_fn_inputs={"target_tokens": TEXT[1:], **inputs}
    )


def refused(call, words: str) -> str:
    """What a call that must fail is told."""
    try:
        call()
    except Exception as error:
        assert words in str(error), error
        return str(error)
    raise AssertionError(f"nothing was refused; expected {words}")


def learn(training: tinker.TrainingClient, steps: int) -> list[float]:
    adam, losses = types.AdamParams(learning_rate=1e-2), []
    for _ in range(steps):
        passed = training.forward_backward([row(weights=[1.0] * 10)], "cross_entropy")
        stepped = training.optim_step(adam)
        losses.append(passed.result().metrics["loss:sum"])
        assert stepped.result().metrics["grad_norm"] > 0
    return losses


def reinforce(training: tinker.TrainingClient) -> None:
    sampled = row(logprobs=[-5.0] * 10, advantages=[0.0] * 5 + [1.0] * 5)
    clip = {"clip_low_threshold": 0.9, "clip_high_threshold": 1.1}
    for name in ("importance_sampling", "ppo", "cispo"):
        config = None if name == "importance_sampling" else clip
        answer = training.forward_backward([sampled] * 3, name, loss_fn_config=config).result()
        assert answer.metrics["trained_tokens:sum"] == 15 and len(answer.loss_fn_outputs) == 3
    training.optim_step(types.AdamParams(learning_rate=1e-3)).result()
    unknown = {"clip_low_threshold": 0.9, "surprise": "text"}
    refused(lambda: training.forward_backward([sampled], "ppo", loss_fn_config=unknown).result(), "surprise")


def sample(service: tinker.ServiceClient, training: tinker.TrainingClient) -> None:
    live = training.save_weights_and_get_sampling_client().result()
    params = types.SamplingParams(max_tokens=10, temperature=0.3, seed=1)
    answer = live.sample(types.ModelInput.from_ints(TEXT[:1]), 2, params).result()
    assert [list(sequence.tokens) for sequence in answer.sequences] == [TEXT[1:]] * 2
    assert len({sequence.sequence_id for sequence in answer.sequences}) == 2
    logprobs = live.compute_logprobs(types.ModelInput.from_ints(TEXT)).result()
    assert logprobs[0] is None and -sum(logprobs[1:]) < 1
    named = training.save_weights_for_sampler("v1").result().path
    reopened = service.create_sampling_client(model_path=named).result()
    again = reopened.sample(types.ModelInput.from_ints(TEXT[:1]), 1, params).result()
    assert list(again.sequences[0].tokens) == TEXT[1:]
    refused(
        lambda: live.sample(types.ModelInput.from_ints(TEXT[:1]), 1, params, topk_sample_logprobs=2).result(),
        "topk_sample_logprobs",
    )


def resume(service: tinker.ServiceClient, training: tinker.TrainingClient) -> None:
    path = training.save_state("half").result().path
    resumed = service.create_training_client_from_state_with_optimizer(path).result()
    assert resumed.get_info().lora_rank == 8
    first, second = (
        list(made.forward([row(weights=[1.0] * 10)], "cross_entropy").result().loss_fn_outputs[0]["logprobs"].data)
        for made in (training, resumed)
    )
    assert first == second
    assert learn(training, 2) == learn(resumed, 2)
    fresh = service.create_training_client_from_state(path).result()
    assert learn(fresh, 1) != []


def main(url: str, model: str) -> None:
    service = tinker.ServiceClient(base_url=url)
    assert service.get_server_capabilities().supported_models[0].model_name == model
    training = service.create_lora_training_client(base_model=model, rank=8, seed=3).result()
    losses = learn(training, 25)
    assert losses[-1] < 1
    sample(service, training)
    reinforce(training)
    resume(service, training)
    told = refused(
        lambda: service.create_lora_training_client(base_model=model, optimizer=types.DimuonOptimizerConfig()).result(),
        "optimizer_config.type",
    )
    print(json.dumps({"tinker": tinker.__version__, "first": losses[0], "last": losses[-1], "refused": told}))


if __name__ == "__main__":
    main(*sys.argv[1:])
