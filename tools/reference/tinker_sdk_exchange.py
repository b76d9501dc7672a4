"""Drives a Tinker-style server with the official Python SDK (tinker 0.24.1), to record what it sends.

    node --conditions=@agent-lightning/source packages/tinker/test/exchange/record-exchange.ts --proxy-only --url http://127.0.0.1:8000 --out FILE
    python tools/reference/tinker_sdk_exchange.py PROXY_URL MODEL_NAME        (key in TINKER_API_KEY, beginning with tml-)

The rows are those of packages/trainer/test/tinker/sdk-shapes.test.ts, whose requests must have the same bodies.
"""

import sys

import tinker
from tinker import types

TOKENS = [11, 22, 33, 44, 55]
LOGPROBS = [0.0, -0.5, -1.25, -2.0]
ADVANTAGES = [0.0, 1.0, -0.5, 0.25]


def datum(**inputs: list[float]) -> types.Datum:
    targets = {"target_tokens": types.TensorData(data=TOKENS[1:], dtype="int64", shape=[4])}
    floats = {name: types.TensorData(data=values, dtype="float32", shape=[4]) for name, values in inputs.items()}
    return types.Datum(model_input=types.ModelInput.from_ints(TOKENS[:-1]), loss_fn_inputs=targets | floats)


def main(url: str, model: str) -> None:
    service = tinker.ServiceClient(base_url=url)
    client = service.create_lora_training_client(base_model=model, rank=8, seed=1)
    client.forward([datum(weights=[0.0, 1.0, 1.0, 1.0])], "cross_entropy").result()
    client.forward_backward([datum(weights=ADVANTAGES)], "cross_entropy").result()
    policy_gradient = [datum(logprobs=LOGPROBS, advantages=ADVANTAGES)]
    client.forward_backward(policy_gradient, "importance_sampling").result()
    clip = {"clip_low_threshold": 0.8, "clip_high_threshold": 1.2}
    for loss in ("ppo", "cispo"):
        client.forward_backward(policy_gradient, loss, loss_fn_config=clip).result()
    adam = types.AdamParams(learning_rate=0.01, beta1=0.8, beta2=0.95, eps=1e-8, weight_decay=0.1, grad_clip_norm=1.0)
    client.optim_step(adam).result()
    sampler = client.save_weights_and_get_sampling_client()
    prompt = types.ModelInput.from_ints(TOKENS)
    params = types.SamplingParams(max_tokens=4, seed=3, stop=[0], temperature=0.7)
    sampler.sample(prompt=prompt, num_samples=2, sampling_params=params).result()
    base = service.create_sampling_client(base_model=model)
    only_prompt = types.SamplingParams(max_tokens=1, seed=0)
    base.sample(prompt=prompt, num_samples=1, sampling_params=only_prompt, include_prompt_logprobs=True).result()
    path = client.save_state("first").result().path
    service.create_training_client_from_state_with_optimizer(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
