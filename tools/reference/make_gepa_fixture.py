"""Makes packages/prompt-optimizer/test/__fixtures__/gepa-decisions.json: what Python gepa 0.1.4 decides.

    python3 -m venv .venv && .venv/bin/pip install gepa==0.1.4
    .venv/bin/python tools/reference/make_gepa_fixture.py

`pools`: for seeded random pools of candidates, the fronts, the parents' probabilities, what may be merged with which weights, the
merged texts, and the shares of a subsample. Random draws are replaced by stubs that record what they were asked.
`frontiers`: for pools with two dimensions, the fronts and the parents' probabilities of each kind of frontier.
`runs`: whole runs of gepa.optimize with scores that follow from texts; each iteration's parent, sums, decision and front.
Where ours differs on purpose, the entry says so under `differs`.
"""

import json
import pathlib
import random

import gepa
from gepa.core.state import GEPAState, ValsetEvaluation
from gepa.gepa_utils import find_dominator_programs, remove_dominated_programs, select_program_candidate_from_pareto_front
from gepa.proposer.base import CandidateProposal
from gepa.proposer.merge import MergeProposer, find_common_ancestor_pair, sample_and_attempt_merge_programs_by_common_predictors
from gepa.strategies.acceptance import ImprovementOrEqualAcceptance, StrictImprovementAcceptance
from gepa.strategies.batch_sampler import EpochShuffledBatchSampler

OUT = pathlib.Path(__file__).parents[2] / "packages/prompt-optimizer/test/__fixtures__/gepa-decisions.json"
POOLS, RUNS = 32, 8


class Stub:
    """Answers draws as told, and keeps what was asked."""

    def __init__(self, pair=None, tie=0, ancestor=0):
        self.pair, self.tie, self.ancestor = pair, tie, ancestor
        self.asked, self.ties = None, 0

    def choice(self, items):
        self.asked = list(items)
        self.ties += 1
        return items[self.tie]

    def sample(self, items, k):
        return list(self.pair) if self.pair is not None else list(items)[:k]

    def choices(self, items, weights=None, k=1):
        self.asked = (list(items), list(weights or []))
        if weights is not None and sum(weights) <= 0:
            raise ValueError("Total of weights must be greater than zero")
        return [items[self.ancestor]]


def make_pool(rng):
    names = [f"component{i}" for i in range(rng.randint(1, 4))]
    tasks, levels = rng.randint(3, 9), rng.choice([[0, 1], [0, 0.25, 0.5, 1], [0, 0.25, 0.5, 1], [0.5]])
    score = lambda top: [rng.choice([level for level in levels if level <= top] or levels) for _ in range(tasks)]
    pool = [{"texts": {n: f"{n}: seed" for n in names}, "parents": [], "scores": score(rng.choice([0, 0.5, 1]))}]
    for index in range(1, rng.randint(4, 9)):
        parents = [rng.choice([0, rng.randrange(index)])]
        texts = dict(pool[parents[0]]["texts"])
        for name in rng.sample(names, rng.randint(1, min(2, len(names)))):
            texts[name] = f"{name}: version {rng.randint(0, 12)}"
        pool.append({"texts": texts, "parents": parents, "scores": score(1)})
    if len(pool) >= 4 and rng.random() < 0.5:
        first, second = sorted(rng.sample(range(1, len(pool)), 2))
        texts = {n: pool[rng.choice([first, second])]["texts"][n] for n in names}
        pool.append({"texts": texts, "parents": [first, second], "scores": score(1)})
    return pool[:8]  # CPython walks sets of 0..7 in ascending order, and ties follow that order


def evaluation(scores):
    return ValsetEvaluation(outputs_by_val_id={}, scores_by_val_id=dict(enumerate(scores)))


def make_state(pool):
    state = GEPAState(dict(pool[0]["texts"]), evaluation(pool[0]["scores"]))
    state.total_num_evals = 0
    for each in pool[1:]:
        state.update_state_with_new_program(each["parents"], each["texts"], evaluation(each["scores"]), None, 0)
    return state


def parents_of(state):
    stub = Stub()
    select_program_candidate_from_pareto_front(state.get_pareto_front_mapping(), state.per_program_tracked_scores, stub)
    return {p: stub.asked.count(p) / len(stub.asked) for p in dict.fromkeys(stub.asked)}


def merges_of(state, tried):
    """All pairs, in both orders of drawing, with the ancestors and weights that gepa would draw from."""
    scores = list(state.per_program_tracked_scores)
    candidates = sorted(find_dominator_programs(state.get_pareto_front_mapping(), scores))
    found = []
    for i in candidates:
        for j in candidates:
            if i >= j:
                continue
            stub, raised = Stub(pair=(j, i)), None
            try:
                find_common_ancestor_pair(stub, state.parent_program_for_candidate, candidates, (tried, []), scores, state.program_candidates, 1)
            except ValueError as error:
                raised = str(error)
            if stub.asked is None:
                continue
            ancestors, weights = stub.asked
            for index, ancestor in enumerate(ancestors):
                found.append(merge_of(state, candidates, scores, tried, (i, j), index, ancestor, weights[index], raised))
    return candidates, found


def merge_of(state, candidates, scores, tried, pair, index, ancestor, weight, raised):
    entry = {"first": pair[0], "second": pair[1], "ancestor": ancestor, "weight": weight}
    if raised is not None:
        return {**entry, "raises": raised, "differs": "where no ancestor has a score above 0, ours draws one by chance"}
    texts = []
    for tie in (0, 1):
        stub = Stub(pair=pair, tie=tie, ancestor=index)
        merged = sample_and_attempt_merge_programs_by_common_predictors(
            scores, stub, candidates, (list(tried), []), state.program_candidates, state.parent_program_for_candidate, None, 1
        )
        texts.append(merged[0])
    if any(text in state.program_candidates for text in texts):
        entry["differs"] = "the merge repeats a candidate: gepa evaluates it again, ours never draws it"
    return {**entry, "texts": texts}


def subsample_of(one, other):
    proposer = MergeProposer(None, [], None, True, 5, rng=Stub())
    ids = proposer.select_eval_subsample_for_merged_program(dict(enumerate(one)), dict(enumerate(other)))
    entry = {"first": one, "second": other, "ids": ids}
    return {**entry, "differs": "gepa repeats tasks when there are fewer than 5, ours does not"} if len(one) < 5 else entry


def acceptance_of(rng, size):
    before = [rng.choice([0, 0.25, 0.5, 1]) for _ in range(size)]
    after = rng.sample(before, size) if rng.random() < 0.3 else [rng.choice([0, 0.25, 0.5, 1]) for _ in range(size)]
    proposal = CandidateProposal(candidate={}, parent_program_ids=[0], subsample_scores_before=before, subsample_scores_after=after)
    return {
        "before": before,
        "after": after,
        "improvement": StrictImprovementAcceptance().should_accept(proposal, None),
        "improvementOrEqual": ImprovementOrEqualAcceptance().should_accept(proposal, None),
    }


def pool_case(seed):
    rng = random.Random(seed)
    pool = make_pool(rng)
    state = make_state(pool)
    mapping = state.get_pareto_front_mapping()
    scores = list(state.per_program_tracked_scores)
    undominated, merges = merges_of(state, [])
    tried = [(m["first"], m["second"], m["ancestor"]) for m in merges[:1]]
    left = [[m["first"], m["second"], m["ancestor"]] for m in merges_of(state, tried)[1]]
    tasks = range(len(pool[0]["scores"]))
    return {
        "seed": seed,
        "pool": pool,
        "fronts": [sorted(mapping[task]) for task in tasks],
        "undominatedFronts": [sorted(remove_dominated_programs(mapping, scores=scores)[task]) for task in tasks],
        "parents": [[p, share] for p, share in parents_of(state).items()],
        "undominated": undominated,
        "merges": merges,
        "leftWhenFirstIsTried": left,
        "subsample": subsample_of(pool[0]["scores"], pool[-1]["scores"]),
        "acceptance": [acceptance_of(rng, rng.randint(1, 5)) for _ in range(6)],
    }


class Recorder:
    """The callbacks of one run, as one entry for each iteration."""

    def __init__(self):
        self.iterations = []

    def on_iteration_start(self, event):
        state = event["state"]
        self.current = {"poolSize": len(state.program_candidates), "pointers": list(state.named_predictor_id_to_update_next_for_program_candidate)}
        self.current["parents"] = [[p, share] for p, share in parents_of(state).items()]

    def on_candidate_selected(self, event):
        self.current["parent"] = event["candidate_idx"]

    def on_minibatch_sampled(self, event):
        self.current["minibatch"] = event["minibatch_ids"]

    def on_proposal_start(self, event):
        self.current["components"] = event["components"]

    def on_merge_attempted(self, event):
        self.current["merge"] = {"parents": list(event["parent_ids"]), "texts": dict(event["merged_candidate"])}

    def on_iteration_end(self, event):
        state = event["state"]
        trace = state.full_program_trace[-1]
        if "merge" in self.current:
            self.current["merge"] |= {
                "ancestor": trace["merged_entities"][2],
                "before": [trace["id1_subsample_scores"], trace["id2_subsample_scores"]],
                "after": trace["new_program_subsample_scores"],
            }
        elif "tasks" in trace and "subsample_scores" in trace:
            self.current |= {"before": trace["subsample_scores"], "after": trace.get("new_subsample_scores")}
        self.current["accepted"] = event["proposal_accepted"]
        self.iterations.append(self.current)


class Adapter:
    """Scores a text by chance that follows from the task and the text, so that a run repeats exactly."""

    propose_new_texts = None

    def __init__(self, seed):
        self.seed = seed

    def score(self, task, candidate):
        points = [random.Random(f"{self.seed}/{task}/{text}").choice([0, 0, 0, 0.5] if "seed" in text else [0, 0.5, 1, 1]) for text in candidate.values()]
        return sum(points) / len(points)

    def evaluate(self, batch, candidate, capture_traces=False):
        scores = [self.score(task, candidate) for task in batch]
        return gepa.EvaluationBatch(outputs=scores, scores=scores, trajectories=list(batch) if capture_traces else None)

    def make_reflective_dataset(self, candidate, batch, components):
        return {name: [{"task": str(t)} for t in batch.trajectories] for name in components}


def run_case(seed):
    recorder, count = Recorder(), iter(range(10_000))
    result = gepa.optimize(
        seed_candidate={f"component{i}": f"component{i}: seed" for i in range(1 + seed % 4)},
        trainset=[f"train{i}" for i in range(7)],
        valset=[f"validation{i}" for i in range(6)],
        adapter=Adapter(seed),
        reflection_lm=lambda prompt: f"```\ntext {next(count)}\n```",
        max_metric_calls=220,
        use_merge=True,
        callbacks=[recorder],
        logger=type("Silent", (), {"log": lambda self, text: None})(),
        seed=seed,
    )
    pool = [
        {"texts": c, "parents": [p for p in parents if p is not None], "scores": [scores[i] for i in range(6)]}
        for c, parents, scores in zip(result.candidates, result.parents, result.val_subscores)
    ]
    return {"seed": seed, "pool": pool, "best": result.best_idx, "iterations": recorder.iterations, "metricCalls": result.total_metric_calls}


def frontier_case(seed):
    rng = random.Random(f"frontiers/{seed}")
    pool, levels = make_pool(rng), rng.choice([[0, 1], [0, 0.25, 0.5, 1]])
    for each in pool:
        each["rewards"] = [{"right": score, "short": rng.choice(levels)} for score in each["scores"]]
    tasks, fronts, parents = range(len(pool[0]["scores"])), {}, {}
    for ours, kind in {"dimension": "objective", "hybrid": "hybrid", "cartesian": "cartesian"}.items():
        evaluate = lambda each: ValsetEvaluation(
            outputs_by_val_id={}, scores_by_val_id=dict(enumerate(each["scores"])), objective_scores_by_val_id=dict(enumerate(each["rewards"]))
        )
        state = GEPAState(dict(pool[0]["texts"]), evaluate(pool[0]), frontier_type=kind)
        state.total_num_evals = 0
        for each in pool[1:]:
            state.update_state_with_new_program(each["parents"], each["texts"], evaluate(each), None, 0)
        fronts[ours] = [sorted(front) for front in state.get_pareto_front_mapping().values()]
        parents[ours] = [[p, share] for p, share in parents_of(state).items()]
    return {"seed": seed, "pool": pool, "fronts": fronts, "parents": parents}


def epoch_case(size, count):
    sampler = EpochShuffledBatchSampler(size, rng=random.Random(size * 100 + count))
    loader = gepa.core.data_loader.ensure_loader(list(range(count)))
    sampler._update_shuffled(loader)
    entry = {"size": size, "order": sampler.shuffled_ids[:count], "padded": sampler.shuffled_ids}
    last = sampler.shuffled_ids[-size:]
    if len(set(last)) < size:
        entry["differs"] = "gepa fills up with the last tasks, so that a minibatch has one twice; ours with the first"
    return entry


fixture = {
    "gepa": "0.1.4",
    "pools": [pool_case(seed) for seed in range(POOLS)],
    "frontiers": [frontier_case(seed) for seed in range(20)],
    "runs": [run_case(seed) for seed in range(RUNS)],
    "epochs": [epoch_case(size, count) for size, count in [(1, 3), (2, 5), (3, 6), (3, 7), (3, 8), (4, 9)]],
}
OUT.write_text(json.dumps(fixture, separators=(",", ":")) + "\n")
merges = sum(len(case["merges"]) for case in fixture["pools"])
tried = sum("merge" in i for run in fixture["runs"] for i in run["iterations"])
iterations = sum(len(run["iterations"]) for run in fixture["runs"])
print(f"{OUT.name}: {POOLS} pools with {merges} merges; {RUNS} runs with {iterations} iterations and {tried} merges")
