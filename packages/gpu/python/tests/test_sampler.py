import math

import numpy as np
import pytest
import tiny
import torch
from helpers import policy, rows, spec
from transformers import OPTConfig, OPTForCausalLM

from agent_lightning_worker.datum import Datum
from agent_lightning_worker.errors import WorkerError
from agent_lightning_worker.losses import ClipBounds
from agent_lightning_worker.network import wrap
from agent_lightning_worker.optimizer import AdamParams
from agent_lightning_worker.policy import Policy, Weights
from agent_lightning_worker.random_streams import uniform
from agent_lightning_worker.sampler import Sampler
from agent_lightning_worker.sampling_lane import SampleRequest, SamplingLane, SamplingLimits
from agent_lightning_worker.token_choice import SamplingParams, choose

GENEROUS = SamplingLimits(64, 2**30, 4096)


def run(requests, limits=GENEROUS, between=lambda step, sampler: None):
    """Samples (weights, prompt, params, count) together; answers in their order."""
    sampler, answers = Sampler(tiny.tokenizer(), limits), {}
    for index, (weights, prompt, params, count) in enumerate(requests):
        sampler.add(request(weights, prompt, params, count, lambda body, i=index: answers.__setitem__(i, body)))
    step = 0
    while sampler.busy:
        sampler.step(raise_it)
        between(step, sampler)
        step += 1
    return [answers[index] for index in range(len(requests))]


def raise_it(error):
    raise error


def request(weights, prompt, params, count, done, prompt_logprobs=False):
    return SampleRequest(weights, prompt, count, params, 1.0 if prompt_logprobs else None, done, raise_it)


def tokens_of(answer):
    return [sequence["tokens"] for sequence in answer["sequences"]]


def prompts(count, seed=0):
    generator = np.random.default_rng(seed)
    return [generator.integers(0, 256, generator.integers(1, 30)).tolist() for _ in range(count)]


@pytest.mark.parametrize("make", [tiny.llama, tiny.qwen3])
@pytest.mark.parametrize("rank", [0, 4])
@pytest.mark.parametrize("temperature", [1.0, 0.5, 0.7, 1.3])
def test_sampled_log_probabilities_are_the_trainers(make, rank, temperature):
    made = policy(make(), rank)
    weights = made.snapshot()
    requests = [(weights, prompt, SamplingParams(12, temperature, seed=i), 3) for i, prompt in enumerate(prompts(5))]
    for (_, prompt, _, _), answer in zip(requests, run(requests), strict=True):
        for sequence in answer["sequences"]:
            whole = np.array(prompt + sequence["tokens"])
            wanted = np.arange(1, len(whole)) >= len(prompt)
            temperatures = np.full(len(wanted), temperature, np.float32)
            logprobs = made.forward([Datum(whole[:-1], whole[1:], {}, wanted, temperatures)]).logprobs[0][wanted]
            assert np.abs(logprobs - sequence["logprobs"]).max() < 1e-5 / min(temperature, 1)
            assert len(set(sequence["tokens"])) > 1


def opt():
    """Its layers see rows and positions as one dimension."""
    torch.manual_seed(0)
    shape = dict(hidden_size=64, ffn_dim=96, num_hidden_layers=2, num_attention_heads=4, word_embed_proj_dim=64)
    config = OPTConfig(vocab_size=tiny.VOCABULARY, max_position_embeddings=256, init_std=0.2, eos_token_id=5, **shape)
    return OPTForCausalLM(config).eval()


@pytest.mark.parametrize("make", [tiny.qwen3, opt])
def test_the_same_seed_gives_the_same_tokens_whatever_is_batched_beside_it(make):
    first = policy(make())
    second = Policy(first._network, spec(2, seed=5, alpha=64.0), 64)
    for _ in range(3):
        second.forward_backward(rows(kind="sft"), "cross_entropy", ClipBounds())
        second.optim_step(AdamParams(learning_rate=1e-2))
    versions = [first.snapshot(), second.snapshot(), Weights(first._network, None)]
    requests = [
        (versions[i % 3], prompt, SamplingParams(4 + 2 * i, seed=i, temperature=0.7 + 0.1 * i), 1 + i % 3)
        for i, prompt in enumerate(prompts(7))
    ]
    alone = [tokens_of(run([request])[0]) for request in requests]
    together = [tokens_of(answer) for answer in run(requests)]
    crowded = [tokens_of(answer) for answer in run(requests, SamplingLimits(4, 2**30, 40))]
    backwards = [tokens_of(answer) for answer in run(requests[::-1])][::-1]
    assert alone == together == crowded == backwards
    assert len({tuple(t) for answer in alone for t in answer}) == sum(r[3] for r in requests), "choices differ"


def test_a_prompt_that_several_requests_share_is_run_once():
    trained = policy(tiny.llama())
    versions = [trained.snapshot(), Weights(trained._network, None)]
    requests = [
        (weights, prompt, SamplingParams(6, seed=seed), 2)
        for seed, prompt in enumerate(prompts(2) * 2)
        for weights in versions
    ]
    alone = [tokens_of(run([request])[0]) for request in requests]
    runs, extend = [], SamplingLane._extend

    def counted(lane, tokens, cache, adapters):
        runs.append(len(tokens))
        return extend(lane, tokens, cache, adapters)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SamplingLane, "_extend", counted)
        assert [tokens_of(answer) for answer in run(requests)] == alone
    assert runs[:2] == [4, 16], "two prompts for two versions, then a row for each continuation"


def test_requests_join_a_batch_that_is_under_way():
    weights = policy(tiny.llama()).snapshot()
    late = (weights, [1, 2, 3], SamplingParams(6, seed=9), 2)
    answers, alone = [], run([late])[0]

    def join(step, sampler):
        if step == 4:
            assert sampler.busy
            sampler.add(request(*late, answers.append))

    run([(weights, prompt, SamplingParams(20, seed=i), 1) for i, prompt in enumerate(prompts(3))], between=join)
    assert tokens_of(answers[0]) == tokens_of(alone)


def test_a_published_version_keeps_its_weights_while_training_goes_on():
    for rank in (0, 4):
        made = policy(tiny.llama(), rank)
        old = made.snapshot()
        ask = lambda weights: tokens_of(run([(weights, [5, 6], SamplingParams(16, seed=1), 4)])[0])
        before = ask(old)
        made.forward_backward(rows(kind="sft"), "cross_entropy", ClipBounds())
        made.optim_step(AdamParams(learning_rate=0.05))
        assert ask(old) == before
        assert ask(made.snapshot()) != before


def test_a_training_step_between_sampling_steps_changes_nothing():
    made = policy(tiny.llama())
    weights = made.snapshot()
    requests = [(weights, [5, 6], SamplingParams(10, seed=1), 2)]
    want = run(requests)

    def train(_step, _sampler):
        made.forward_backward(rows((5, 9), kind="sft"), "cross_entropy", ClipBounds())
        made.optim_step(AdamParams(learning_rate=0.05))

    assert run(requests, between=train) == want


def test_stop_tokens_and_texts_end_a_sequence_and_stay_in_it():
    weights = policy(tiny.llama()).snapshot()
    free = tokens_of(run([(weights, [5, 6], SamplingParams(30, seed=2), 1)])[0])[0]
    at = next(i for i in range(3, 30) if free[i] not in free[:i])
    stopped = run([(weights, [5, 6], SamplingParams(30, seed=2, stop_tokens=frozenset([free[at]])), 1)])[0][
        "sequences"
    ][0]
    assert (stopped["tokens"], stopped["stop_reason"]) == (free[: at + 1], "stop")
    assert len(stopped["logprobs"]) == at + 1
    text = tiny.tokenizer().decode(free)
    piece = next(
        text[i : i + 2] for i in range(4, len(text) - 2) if "�" not in text[i : i + 2] and text[i : i + 2].isascii()
    )
    ended = run([(weights, [5, 6], SamplingParams(30, seed=2, stop_texts=(piece,)), 1)])[0]["sequences"][0]
    assert ended["stop_reason"] == "stop" and ended["tokens"] == free[: len(ended["tokens"])]
    assert piece in tiny.tokenizer().decode(ended["tokens"])
    assert piece not in tiny.tokenizer().decode(ended["tokens"][:-1])


def test_greedy_is_argmax():
    made = policy(tiny.qwen3(), stir=False)
    answer = run([(made.snapshot(), [7, 8, 9], SamplingParams(8, temperature=0.0), 2)])[0]
    tokens, module = [7, 8, 9], tiny.qwen3()
    for _ in range(8):
        with torch.no_grad():
            tokens.append(int(module(torch.tensor([tokens])).logits[0, -1].argmax()))
    assert tokens_of(answer) == [tokens[3:], tokens[3:]]


def test_prompt_log_probabilities_are_the_models():
    made = policy(tiny.llama())
    prompt, answers = prompts(1)[0], []
    sampler = Sampler(tiny.tokenizer(), GENEROUS)
    sampler.add(request(made.snapshot(), prompt, SamplingParams(1), 1, answers.append, prompt_logprobs=True))
    sampler.add(request(made.snapshot(), [3], SamplingParams(1), 1, answers.append, prompt_logprobs=True))
    while sampler.busy:
        sampler.step(raise_it)
    array = np.array(prompt)
    want = made.forward([Datum(array[:-1], array[1:], {}, np.ones(len(prompt) - 1, dtype=bool))]).logprobs[0]
    assert answers[0]["prompt_logprobs"][0] is None and answers[1]["prompt_logprobs"] == [None]
    assert np.abs(np.array(answers[0]["prompt_logprobs"][1:]) - want).max() < 1e-5


def test_draws_follow_the_distribution():
    logits = torch.tensor([[0.0, 1.0, 2.0, -1e9]])
    params = [SamplingParams(1, temperature=2.0, seed=4)]
    counts = np.zeros(4)
    for position in range(4000):
        tokens, logprobs = choose(logits, params, [uniform(4, 0, position)])
        counts[tokens[0]] += 1
    want = torch.softmax(logits[0] / 2, -1).numpy()
    assert np.abs(counts / 4000 - want).max() < 0.03  # 4 standard deviations
    assert logprobs[0] == pytest.approx(math.log(want[tokens[0]]), abs=1e-6)


def test_top_k_and_top_p_cut_and_renormalise():
    logits = torch.log(torch.tensor([[0.1, 0.4, 0.2, 0.3]]))
    near_one = 1 - 2**-52
    for params, kept in (
        (SamplingParams(1, top_k=2), [1, 3]),
        (SamplingParams(1, top_p=0.65), [1, 3]),
        (SamplingParams(1, top_p=0.71), [1, 2, 3]),
    ):
        mass = sum(logits[0].exp()[token].item() for token in kept)
        seen = set()
        for u in np.linspace(0, near_one, 101):
            tokens, logprobs = choose(logits.clone(), [params], [float(u)])
            seen.add(tokens[0])
            assert logprobs[0] == pytest.approx(logits[0, tokens[0]].item() - math.log(mass), abs=1e-6)
        assert seen == set(kept)


def test_a_number_depends_on_seed_choice_and_position_alone():
    numbers = [uniform(seed, choice, position) for seed in range(10) for choice in range(10) for position in range(10)]
    assert len(set(numbers)) == 1000 and all(0 <= number < 1 for number in numbers)
    assert abs(np.mean(numbers) - 0.5) < 0.04
    assert uniform(3, 2, 1) == numbers[321]


def test_a_failure_reaches_every_request_of_the_lane_and_no_later_one():
    network = wrap(tiny.llama(), False)
    sampler, failures, answers = Sampler(None, GENEROUS), [], []
    for prompt in ([1], [2]):
        sampler.add(
            SampleRequest(Weights(network, None), prompt, 2, SamplingParams(5), None, answers.append, failures.append)
        )
    extend, network.extend = network.extend, lambda *_: 1 / 0
    sampler.step(lambda error: error)
    assert [type(failure) for failure in failures] == [ZeroDivisionError] * 2 and not sampler.busy
    network.extend = extend
    sampler.add(SampleRequest(Weights(network, None), [1], 1, SamplingParams(5), None, answers.append, failures.append))
    while sampler.busy:
        sampler.step(lambda error: error)
    assert len(answers) == 1


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_diverged_model_fails_alone_instead_of_sampling_nonsense(temperature):
    sound = policy(tiny.llama())
    diverged = Policy(sound._network, spec(), 64)
    with torch.no_grad():
        diverged.parameters["model.layers.0.mlp.up_proj.lora_B"].fill_(float("nan"))
    params, answers, failures = SamplingParams(3, temperature=temperature), [], []
    sampler = Sampler(None, GENEROUS)
    for made in (sound, diverged):
        sampler.add(SampleRequest(made.snapshot(), [1, 2], 2, params, None, answers.append, failures.append))
    while sampler.busy:
        sampler.step(raise_it)
    assert len(answers) == 1 and [failure.code for failure in failures] == ["numerics"]
    assert tokens_of(answers[0]) == tokens_of(run([(sound.snapshot(), [1, 2], params, 2)])[0])
    with pytest.raises(WorkerError) as passed:
        diverged.forward(rows())
    assert passed.value.code == "numerics"
