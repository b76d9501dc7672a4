"""An agent of Agent Lightning 1.0: it talks to the model twice and rewards itself, as its question says."""

import json
import os
import sys
import urllib.request


def post(url, body):
    headers = {"content-type": "application/json", "authorization": "Bearer " + os.environ["AGL_KEY"]}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request) as reply:
        return json.load(reply)


class Agent:
    def run(self):
        question = os.environ["QUESTION"]
        messages = [{"role": "user", "content": question}]
        url = os.environ["AGL_OPENAI_BASE_URL"] + "/chat/completions"
        # Agents of 1.0 ask for any model, and get the one that trains.
        first = post(url, {"model": "gpt-4o-mini", "messages": messages, "temperature": 0.2, "max_tokens": 16})
        messages += [first["choices"][0]["message"], {"role": "user", "content": "again"}]
        post(url, {"model": "gpt-4o-mini", "messages": messages, "max_tokens": 16})
        if question == "crash":
            sys.exit(1)
        if question != "noreward":
            data = {"value": 1.0 if question == "good" else 0.0, "message": "graded"}
            post(os.environ["AGL_EVENT_URL"], {"event_type": "reward", "data": data})
