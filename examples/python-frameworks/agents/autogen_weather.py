"""The weather agent of AutoGen's quickstart, https://microsoft.github.io/autogen/stable/user-guide/agentchat-user-guide/quickstart.html, as a script: a question on standard input.

It knows nothing of training. Its model is where OPENAI_BASE_URL and OPENAI_API_KEY say.
"""

import asyncio
import json
import sys

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.messages import TextMessage, ToolCallExecutionEvent
from autogen_ext.models.openai import OpenAIChatCompletionClient

model_client = OpenAIChatCompletionClient(model="gpt-4o")


async def get_weather(city: str) -> str:
    """Get the weather for a given city."""
    return f"The weather in {city} is 73 degrees and Sunny."


agent = AssistantAgent(
    name="weather_agent",
    model_client=model_client,
    tools=[get_weather],
    system_message="You are a helpful assistant.",
    reflect_on_tool_use=True,
    model_client_stream=True,  # Enable streaming tokens from the model client.
)


async def main() -> None:
    result = await agent.run(task=sys.stdin.read())
    last = result.messages[-1]
    events = [message for message in result.messages if isinstance(message, ToolCallExecutionEvent)]
    told = [done.content for event in events for done in event.content if not done.is_error]
    print(json.dumps({"answer": last.content if isinstance(last, TextMessage) else "", "told": told}))
    await model_client.close()


asyncio.run(main())
