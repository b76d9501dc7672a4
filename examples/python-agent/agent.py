"""Names the day after or before another one, by asking a model: {"word": "after", "day": "monday"} on standard input.

Plain Python with an OpenAI-compatible model behind OPENAI_BASE_URL. It knows nothing of training.
"""

import json
import os
import sys
import urllib.request


def ask(question: str) -> str:
    request = urllib.request.Request(
        os.environ["OPENAI_BASE_URL"] + "/chat/completions",
        data=json.dumps(
            {
                "model": os.environ.get("AGENT_LIGHTNING_MODEL", "gpt-4o-mini"),
                "messages": [{"role": "user", "content": question}],
                "max_tokens": 8,
            }
        ).encode(),
        headers={
            "Authorization": "Bearer " + os.environ["OPENAI_API_KEY"],
            "Content-Type": "application/json",
        },
    )
    with urllib.request.urlopen(request) as reply:
        return json.load(reply)["choices"][0]["message"]["content"]


task = json.load(sys.stdin)
print(ask(f"{task['word']} {task['day']}"))
