"""A crew of a researcher and a writer, in the style of CrewAI's quickstart, https://docs.crewai.com/en/quickstart, as a script: a topic on standard input.

It knows nothing of training. Its models are where OPENAI_BASE_URL and OPENAI_API_KEY say; each agent asks for one of its own.
"""

import json
import sys

from crewai import Agent, Crew, Process, Task

researcher = Agent(
    role="Researcher",
    goal="Find out one fact about {topic}",
    backstory="You are a seasoned researcher who is known for one clear sentence.",
    llm="openai/gpt-4o",
)

writer = Agent(
    role="Headline Writer",
    goal="Write headlines about {topic}",
    backstory="You are a meticulous writer of short headlines.",
    llm="openai/gpt-4o-mini",
)

research_task = Task(
    description="Tell one fact about {topic}.",
    expected_output="One short sentence about {topic}.",
    agent=researcher,
)

headline_task = Task(
    description="Write a headline about {topic} from the fact that you got.",
    expected_output="A headline of at most eight words that names {topic}.",
    agent=writer,
    context=[research_task],
)

crew = Crew(agents=[researcher, writer], tasks=[research_task, headline_task], process=Process.sequential)

result = crew.kickoff(inputs={"topic": sys.stdin.read()})
print(json.dumps({"answer": result.raw, "told": [research_task.output.raw]}))
