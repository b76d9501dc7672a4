"""A worker in a process of its own, as users start it, and a small client for its protocol."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

KEY = "tml-a-key-for-tests"  # the official client insists on the beginning

COMMAND = [sys.executable, "-m", "agent_lightning_worker"]
OPTIONS = ["--threads", "1", "--log-level", "warning"]


class WorkerProcess:
    def __init__(self, model: Path, state: Path, *options: str, with_parent: bool = True) -> None:
        parent = ["--exit-with-parent"] if with_parent else []
        self.process = subprocess.Popen(
            [*COMMAND, "--model", str(model), "--state-dir", str(state), *OPTIONS, *parent, *options],
            env=os.environ | {"AGENT_LIGHTNING_WORKER_KEY": KEY, "HF_HUB_OFFLINE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        line = json.loads(self.process.stdout.readline())
        assert line["pid"] == self.process.pid
        self.url = line["listening"]
        self.state = state

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        raw: bytes | None = None,
        key: str | None = KEY,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, Any]:
        """Status and body, parsed where it is JSON."""
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} | ({} if key is None else {"X-API-Key": key}) | (headers or {})
        request = urllib.request.Request(f"{self.url}/api/v1/{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                status, payload, kind = answer.status, answer.read(), answer.headers["Content-Type"]
        except urllib.error.HTTPError as error:
            status, payload, kind = error.code, error.read(), error.headers["Content-Type"]
        return status, json.loads(payload) if kind == "application/json" else payload

    def post(self, path: str, /, **body: Any) -> Any:
        """The answer of a request that must succeed."""
        status, answer = self.call("POST", path, body)
        assert status == 200, answer
        return answer

    def result(self, path: str, /, **body: Any) -> Any:
        """What an operation's future gives."""
        request_id = self.post(path, **body)["request_id"]
        while (answer := self.post("retrieve_future", request_id=request_id)).get("type") == "try_again":
            pass
        return answer

    def close(self) -> int:
        """As its parent's end does."""
        self.process.stdin.close()
        code = self.process.wait(60)
        self.process.stdout.close()
        return code


class Client:
    """One session with one model."""

    def __init__(self, worker: WorkerProcess, rank: int = 4, **lora: Any) -> None:
        self.worker = worker
        self.session = worker.post("create_session", tags=[], sdk_version="1", type="create_session")["session_id"]
        made = worker.result(
            "create_model",
            session_id=self.session,
            model_seq_id=0,
            base_model="model",
            lora_config={"rank": rank, **lora},
            type="create_model",
        )
        self.model = made["model_id"]
        self.number = 0

    def do(self, path: str, /, **body: Any) -> Any:
        self.number += 1
        return self.worker.result(path, model_id=self.model, seq_id=self.number, **body)

    def refuse(self, path: str, /, **body: Any) -> tuple[int, Any]:
        """What a request that must not be accepted is answered."""
        return self.worker.call("POST", path, {"model_id": self.model, "seq_id": self.number + 1, **body})

    def publish(self, number: int) -> str:
        return self.do("save_weights_for_sampler", sampling_session_seq_id=number)["sampling_session_id"]

    def sample(self, sampler: str, number: int, prompt: list[int], **body: Any) -> Any:
        prompt = {"chunks": [{"type": "encoded_text", "tokens": prompt}]}
        return self.worker.result("asample", sampling_session_id=sampler, seq_id=number, prompt=prompt, **body)


def tensor(values: list[Any], dtype: str = "float32") -> dict[str, Any]:
    return {"data": values, "dtype": dtype, "shape": [len(values)]}


def datum(tokens: list[int], **inputs: list[float]) -> dict[str, Any]:
    """Of a whole sequence; `inputs` describe all of its tokens but the first."""
    return {
        "model_input": {"chunks": [{"type": "encoded_text", "tokens": tokens[:-1]}]},
        "loss_fn_inputs": {
            "target_tokens": tensor(tokens[1:], "int64"),
            **{name: tensor(values) for name, values in inputs.items()},
        },
    }


def sft(text: bytes) -> dict[str, Any]:
    return {"data": [datum(list(text), weights=[1.0] * (len(text) - 1))], "loss_fn": "cross_entropy"}
