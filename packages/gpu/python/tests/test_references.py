"""The losses are those of verl and SkyRL: the same recorded cases as every other backend's."""

import json
from pathlib import Path

import pytest
import torch

from agent_lightning_worker.losses import LOSSES, ClipBounds

DIRECTORY = Path(__file__).parents[3] / "core" / "test" / "__fixtures__" / "references"
CASES = json.loads((DIRECTORY / "losses.json").read_text())["cases"]
EDGES = json.loads((DIRECTORY / "edges.json").read_text())["verl dual clip"]

REFERENCES = {
    "ppo: verl vanilla clip_ratio_c=1e9": ("ppo", None),
    "dual clip: verl vanilla clip_ratio_c=3": ("ppo", 3.0),
    "importance_sampling: SkyRL": ("importance_sampling", None),
    "cispo: verl": ("cispo", None),
}


def loss_and_gradient(name: str, clip: ClipBounds, lp, sampled, advantages) -> tuple[float, torch.Tensor]:
    now = torch.tensor(lp, dtype=torch.float64, requires_grad=True)
    inputs = {
        "logprobs": torch.tensor(sampled, dtype=torch.float64),
        "advantages": torch.tensor(advantages, dtype=torch.float64),
    }
    loss = LOSSES[name].compute(now, inputs, clip)
    loss.backward()
    return loss.item(), now.grad


@pytest.mark.parametrize("reference", REFERENCES)
def test_losses_and_gradients_are_the_references(reference):
    name, dual = REFERENCES[reference]
    cases = [case for case in CASES if reference in case["losses"]]
    assert len(cases) > 10
    for case in cases:
        row, theirs = case["row"], case["losses"][reference]
        clip = ClipBounds(case["low"], case["high"], dual)
        loss, gradient = loss_and_gradient(name, clip, case["lp"], row["logprobs"], row["advantages"])
        assert loss == pytest.approx(theirs["loss"], rel=1e-6, abs=1e-6)
        assert gradient.tolist() == pytest.approx(theirs["gradient"], rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("edge", EDGES)
def test_the_dual_clip_is_verls_where_sampler_and_policy_are_far_apart(edge):
    clip = ClipBounds(*edge["clip"], edge["c"])
    loss, gradient = loss_and_gradient("ppo", clip, [edge["logRatio"]], [0.0], [edge["advantage"]])
    assert [loss, gradient.item()] == pytest.approx([edge["loss"], edge["gradient"]], rel=1e-6)
