"""The history tutor of the SDK's quickstart, https://openai.github.io/openai-agents-python/quickstart/, as a script: a question on standard input.

It knows nothing of training. Its model is where OPENAI_BASE_URL and OPENAI_API_KEY say.
"""

import asyncio
import json
import sys

from agents import Agent, Runner, function_tool
from agents.items import ToolCallOutputItem


@function_tool
def history_fun_fact() -> str:
    """Return a short history fact."""
    return "Sharks are older than trees."


agent = Agent(
    name="History Tutor",
    instructions="Answer history questions clearly. Use history_fun_fact when it helps.",
    tools=[history_fun_fact],
)


async def main() -> None:
    result = await Runner.run(agent, sys.stdin.read(), max_turns=3)
    told = [item.output for item in result.new_items if isinstance(item, ToolCallOutputItem)]
    print(json.dumps({"answer": result.final_output, "told": told}))


asyncio.run(main())
