"""The weather agent of Microsoft Agent Framework's tutorial, https://learn.microsoft.com/agent-framework/get-started/add-tools, as a script: a question on standard input.

It knows nothing of training. Its model is where OPENAI_BASE_URL and OPENAI_API_KEY say.
"""

import asyncio
import json
import sys
from random import randint
from typing import Annotated

from agent_framework import Agent, tool
from agent_framework.openai import OpenAIChatClient
from pydantic import Field


@tool(approval_mode="never_require")
def get_weather(
    location: Annotated[str, Field(description="The location to get the weather for.")],
) -> str:
    """Get the weather for a given location."""
    conditions = ["sunny", "cloudy", "rainy", "stormy"]
    return f"The weather in {location} is {conditions[randint(0, 3)]} with a high of {randint(10, 30)}°C."


agent = Agent(
    client=OpenAIChatClient(model="gpt-4o-mini"),
    name="WeatherAgent",
    instructions="You are a helpful weather agent. Use the get_weather tool to answer questions.",
    tools=[get_weather],
)


async def main() -> None:
    result = await agent.run(sys.stdin.read())
    contents = [content for message in result.messages for content in message.contents]
    told = [str(content.result) for content in contents if content.type == "function_result"]
    print(json.dumps({"answer": result.text, "told": told}))


asyncio.run(main())
