"""Runs the rollout managers of Agent Lightning 1.0's verl trainer, unmodified, through one synchronous and one asynchronous step."""

import json
import os
import sys
import time

from agentlightning.hooks import RolloutHooks
from agentlightning.verl.agl_rollout_manager import AglAsyncRolloutManager, AglRolloutManager


class Judge(RolloutHooks):
    """Adds an event to each rollout that succeeded, which only a hook can: the rollout is final."""

    def on_enqueue(self, request):
        return request.model_copy(update={"metadata": {"hook": "seen"}})

    def on_succeeded(self, rollout, events, store):
        count = sum(len(each) for each in events.values())
        store.add_event(rollout.rollout_id, rollout.status.last_attempt_id, "judge", {"n": count})


def describe(completed):
    return {
        "rollout_id": completed.rollout_id,
        "question": completed.input["question"],
        "state": completed.rollout_state.value,
        "error": completed.error_message,
        "reward": completed.final_reward,
        "hook": completed.metadata.get("hook"),
        "events": [event["event_type"] for event in completed.events],
        "triplets": [
            {
                "prompt": triplet.prompt["token_ids"],
                "response": triplet.response["token_ids"],
                "log_probs": triplet.response["log_probs"],
                "reward": triplet.reward,
                "version": triplet.metadata["server"]["version"],
            }
            for triplet in completed.triplets
        ],
    }


def make(kind, step):
    return kind(
        agl_base_url=os.environ["AGL10_SERVER"],
        agl_key=os.environ["AGL10_KEY"],
        model="test-model",
        step=step,
        train_rollout_n=2,
        rollout_timeout_seconds=60,
        poll_interval_seconds=0.2,
        hooks=Judge(),
        local_agent_class="stock_agent:Agent",
        local_env_map={"QUESTION": "input.question"},
    )


def main():
    engine = os.environ["AGL10_ENGINE"]
    manager = make(AglRolloutManager, 1)
    manager.delete_model()
    manager.register_model([engine])
    questions = ["good", "bad", "noreward", "crash"]
    train = manager.enqueue_and_wait_until_completed({"question": questions}, is_train=True)
    val = manager.enqueue_and_wait_until_completed({"question": ["good"]}, is_train=False)

    later = make(AglAsyncRolloutManager, 2)
    # The order of the trainer: the gateway is open before it has a model again.
    later.client.post("/proxy/resume").raise_for_status()
    later.delete_model()
    later.register_model([engine])
    groups, carried = later.enqueue_and_wait_until_group_completed(
        {"question": ["good", "bad"]}, [], is_train=True, target_finished_group_num=2
    )
    later.client.post("/proxy/pause", json={"reason": "rollout_done step=2"}).raise_for_status()
    while (state := later.client.get("/proxy/state").json())["inflight"] > 0:
        time.sleep(0.25)
    later.client.post("/proxy/resume").raise_for_status()
    result = {
        "train": [describe(each) for each in train],
        "val": [describe(each) for each in val],
        "async": [describe(each) for each in groups],
        "carried": len(carried),
        "paused": state,
        "left": later.client.get("/api/rollouts", params={"state_in": ["queuing", "running"]}).json(),
        "deleted": later.client.get(f"/api/rollouts/{train[0].rollout_id}").status_code,
    }
    with open(sys.argv[1], "w") as file:
        json.dump(result, file)


main()
