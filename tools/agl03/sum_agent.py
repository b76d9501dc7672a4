"""An agent of Agent Lightning 0.3: its reward says how good the prompt is that it was given. Runs until its input ends."""

import asyncio
import os
import sys
import threading

from agentlightning import LitAgent, LitAgentRunner, OtelTracer, emit_object, emit_reward
from agentlightning.execution.events import ThreadingEvent
from agentlightning.store.client_server import LightningStoreClient


class Answer(LitAgent):
    def rollout(self, task, resources, rollout):
        prompt = resources["answer"].template
        # Says to the optimizer that this rollout used the prompt.
        emit_object(prompt, attributes={"agentlightning.prompt.name": "answer"})
        emit_reward(1.0 if "carefully" in prompt else 0.25)


def when_input_ends():
    """Returns an event that is set once the program that started this one closes its input, or is gone."""
    event = ThreadingEvent()

    def wait():
        sys.stdin.read()
        event.set()

    threading.Thread(target=wait, daemon=True).start()
    return event


async def main():
    store = LightningStoreClient(os.environ["AGL03_SERVER"])
    runner = LitAgentRunner(OtelTracer(), poll_interval=0.2, interval_jitter=0.05)
    with runner.run_context(agent=Answer(), store=store):
        await runner.iter(event=when_input_ends())
    await store.close()


asyncio.run(main())
