"""Small worlds in which learning can be seen."""

import numpy as np
import tiny
from helpers import policy

from agent_lightning_worker.datum import Datum
from agent_lightning_worker.losses import ClipBounds
from agent_lightning_worker.optimizer import AdamParams
from agent_lightning_worker.sampler import Sampler
from agent_lightning_worker.sampling_lane import SampleRequest, SamplingLimits
from agent_lightning_worker.token_choice import SamplingParams

GROUPS, GROUP, LENGTH = 4, 16, 4


def episode(made, step: int) -> list[tuple[list[int], dict]]:
    """Samples a group for each of some prompts from the policy as it is."""
    sampler, answers = Sampler(None, SamplingLimits()), []
    for index in range(GROUPS):
        prompt = [index, 7]
        params = SamplingParams(LENGTH, seed=step * GROUPS + index)
        request = SampleRequest(
            made.snapshot(), prompt, GROUP, params, None, lambda body, p=prompt: answers.append((p, body)), None
        )
        sampler.add(request)
    while sampler.busy:
        sampler.step(lambda error: error)
    return answers


def learn(shuffled: bool, steps: int = 20) -> tuple[float, float]:
    """GRPO with importance sampling; the reward is the share of tokens under 150. Mean reward at first and at last."""
    made, generator, means = policy(tiny.llama(), rank=8, stir=False), np.random.default_rng(0), []
    for step in range(steps):
        data, rewards = [], []
        for prompt, answer in episode(made, step):
            group = np.array([np.mean([t < 150 for t in s["tokens"]]) for s in answer["sequences"]])
            rewards.append(group.mean())
            if shuffled:
                group = generator.permutation(group)
            for sequence, advantage in zip(answer["sequences"], (group - group.mean()) / (GROUPS * GROUP), strict=True):
                whole = np.array(prompt + sequence["tokens"])
                sampled = np.arange(1, len(whole)) >= len(prompt)
                inputs = {name: np.zeros(len(sampled), dtype=np.float32) for name in ("logprobs", "advantages")}
                inputs["logprobs"][sampled] = sequence["logprobs"]
                inputs["advantages"][sampled] = advantage
                data.append(Datum(whole[:-1], whole[1:], inputs, sampled))
        made.forward_backward(data, "importance_sampling", ClipBounds())
        made.optim_step(AdamParams(learning_rate=1e-2, eps=1e-8, grad_clip_norm=1.0))
        means.append(float(np.mean(rewards)))
    return float(np.mean(means[:2])), float(np.mean(means[-2:]))


def test_reinforcement_learning_raises_the_reward_and_shuffled_rewards_do_not():
    before, after = learn(shuffled=False)
    assert before < 0.65 and after > before + 0.25
    before, after = learn(shuffled=True)
    assert abs(after - before) < 0.2
