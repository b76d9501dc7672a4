import copy
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlparse

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM
from worker_process import KEY, Client, WorkerProcess, datum, sft, tensor

GOOD = datum([1, 2, 3, 4], weights=[0.0, 1.0, 1.0])
ADAM = {"learning_rate": 1e-2, "beta1": 0.9, "beta2": 0.95, "eps": 1e-8, "weight_decay": 0.0, "grad_clip_norm": 1.0}


@pytest.fixture(scope="module")
def client(worker):
    return Client(worker)


def changed(path: str, value, start=GOOD):
    """The datum with one field, by its dotted path, set to `value`, or removed where that is `...`."""
    made = copy.deepcopy(start)
    place = made
    *parents, last = path.split(".")
    for part in parents:
        place = place[int(part) if part.isdigit() else part]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return made


BAD_DATA = [
    ("loss_fn_inputs.weights", tensor([1.0, 2.0]), "data[1].loss_fn_inputs.weights.data"),
    ("loss_fn_inputs.weights.data", [1.0, "2", 3.0], "data[1].loss_fn_inputs.weights.data"),
    ("loss_fn_inputs.weights.data", [1.0, True, 3.0], "data[1].loss_fn_inputs.weights.data"),
    ("loss_fn_inputs.weights.data", [1.0, 1e39, 3.0], "data[1].loss_fn_inputs.weights.data"),
    ("loss_fn_inputs.weights.shape", [3, 1], "data[1].loss_fn_inputs.weights.shape"),
    ("loss_fn_inputs.weights.dtype", "bool", "data[1].loss_fn_inputs.weights.dtype"),
    ("loss_fn_inputs.weights", ..., "data[1].loss_fn_inputs.weights"),
    ("loss_fn_inputs.logprobs", tensor([0.0] * 3), "data[1].loss_fn_inputs.logprobs"),
    ("loss_fn_inputs.temperature", tensor([1.0, 0.0, 1.0]), "data[1].loss_fn_inputs.temperature"),
    ("loss_fn_inputs.temperature", tensor([0.7]), "data[1].loss_fn_inputs.temperature.data"),
    ("loss_fn_inputs.mask", tensor([0, 0, 1]), "data[1].loss_fn_inputs.mask"),
    ("loss_fn_inputs.target_tokens.data", [1, 2, 300], "data[1].loss_fn_inputs.target_tokens"),
    ("loss_fn_inputs.target_tokens.data", [1, 2, 2**70], "data[1].loss_fn_inputs.target_tokens.data"),
    ("loss_fn_inputs.target_tokens.data", [1, 2.5, 3], "data[1].loss_fn_inputs.target_tokens.data"),
    ("loss_fn_inputs.target_tokens.dtype", "float32", "data[1].loss_fn_inputs.target_tokens.dtype"),
    ("model_input.chunks", [], "data[1].model_input.chunks"),
    ("model_input.chunks.0.tokens", [1, -2, 3], "data[1].model_input.chunks[0].tokens"),
    ("model_input.chunks.0.tokens", [1] * 257, "data[1].model_input.chunks"),
    ("model_input.chunks.0.type", "image", "data[1].model_input.chunks[0].type"),
    ("model_input", 3, "data[1].model_input"),
]


@pytest.mark.parametrize("path, value, field", BAD_DATA)
def test_a_bad_datum_is_refused_by_the_name_of_its_field(client, path, value, field):
    body = {"data": [GOOD, changed(path, value)], "loss_fn": "cross_entropy"}
    status, answer = client.refuse("forward_backward", forward_backward_input=body)
    assert status == 400
    assert answer["field"] == f"forward_backward_input.{field}"
    assert answer["category"] == "user" and answer["error"].startswith(answer["field"])


BAD_PASSES = [
    ({"loss_fn": "dpo"}, "loss_fn", "loss-unsupported"),
    ({"data": []}, "data", "samples-invalid"),
    ({"loss_fn_config": {"clip_low_threshold": 0.8}}, "loss_fn_config.clip_low_threshold", None),
    ({"loss_fn": "cispo", "loss_fn_config": {"dual_clip_threshold": 3}}, "loss_fn_config.dual_clip_threshold", None),
    ({"loss_fn": "ppo", "loss_fn_config": {"dual_clip_threshold": 0.5}}, "loss_fn_config.dual_clip_threshold", None),
    ({"loss_fn": "ppo", "loss_fn_config": {"clip_low_threshold": -1}}, "loss_fn_config.clip_low_threshold", None),
    (
        {"loss_fn": "ppo", "loss_fn_config": {"clip_low_threshold": 0.9, "clip_high_threshold": 0.8}},
        "loss_fn_config.clip_high_threshold",
        None,
    ),
    ({"surprise": 1}, "surprise", None),
]


@pytest.mark.parametrize("change, field, code", BAD_PASSES)
def test_a_bad_pass_is_refused(client, change, field, code):
    body = {"data": [GOOD], "loss_fn": "cross_entropy"} | change
    status, answer = client.refuse("forward_backward", forward_backward_input=body)
    assert (status, answer["field"], answer.get("code")) == (400, f"forward_backward_input.{field}", code)


@pytest.mark.parametrize(
    "name, value",
    [
        ("learning_rate", -1),
        ("beta1", 1),
        ("beta2", -0.1),
        ("eps", "0"),
        ("weight_decay", True),
        ("grad_clip_norm", -1),
        ("lr", 1),
    ],
)
def test_a_bad_adam_parameter_is_refused(client, name, value):
    status, answer = client.refuse("optim_step", adam_params=ADAM | {name: value})
    assert (status, answer["field"]) == (400, f"adam_params.{name}")


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_json_does_not_have_are_refused(client, worker, text):
    body = json.dumps({"model_id": client.model, "seq_id": client.number + 1, "adam_params": {"learning_rate": "?"}})
    status, answer = worker.call("POST", "optim_step", raw=body.replace('"?"', text).encode())
    assert status == 400 and text in answer["error"]
    status, answer = worker.call("POST", "optim_step", raw=body.replace('"?"', "1e999").encode())
    assert (status, answer["field"]) == (400, "adam_params.learning_rate")


@pytest.mark.parametrize("raw", [b"", b"{", b"[1]", b"\xff", b"[" * 100000])
def test_what_is_not_a_json_object_is_refused(worker, raw):
    status, answer = worker.call("POST", "create_session", raw=raw)
    assert (status, answer["field"]) == (400, "body")


@pytest.mark.parametrize("key", [None, "", "wrong", KEY + "x", KEY[:-1], "ключ".encode().decode("latin-1")])
def test_only_the_key_opens(worker, key):
    for method, path in (
        ("POST", "create_session"),
        ("GET", "get_server_capabilities"),
        ("DELETE", "x"),
        ("GET", "nothing"),
    ):
        status, answer = worker.call(method, path, {} if method == "POST" else None, key=key)
        assert (status, answer["field"]) == (401, "X-API-Key")
    assert worker.call("GET", "healthz", key=key) == (200, {"status": "ok"})


@pytest.mark.parametrize("method, path", [("GET", "healthz"), ("DELETE", "nothing"), ("POST", "nothing")])
def test_a_body_that_nobody_reads_is_not_the_next_request(worker, method, path):
    hidden = b"GET /api/v1/healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    head = f"{method} /api/v1/{path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(hidden)}\r\n\r\n".encode()
    url = urlparse(worker.url)
    with socket.create_connection((url.hostname, url.port), 30) as connection:
        connection.sendall(head + hidden)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.count(b"HTTP/1.1 ") == 1


def test_a_body_over_the_cap_is_refused_unread(worker):
    status, answer = raw_post(worker, b"Content-Length: 1048577\r\n")
    assert status == 413 and "1048576" in answer["error"]
    assert raw_post(worker, b"")[0] == 411
    assert raw_post(worker, b"Content-Length: -5\r\n")[0] == 411
    assert raw_post(worker, b"Content-Length: 2\r\nContent-Encoding: gzip\r\n")[0] == 415


def raw_post(worker, headers: bytes):
    url = urlparse(worker.url)
    with socket.create_connection((url.hostname, url.port), timeout=30) as connection:
        connection.sendall(
            b"POST /api/v1/create_session HTTP/1.1\r\nHost: x\r\nX-API-Key: "
            + KEY.encode()
            + b"\r\n"
            + headers
            + b"\r\n"
        )
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


TRICKS = ["../up", "a/b", "/etc", "..", ".hidden", "a\\b", "a\0b", "", "a" * 201, "é", "a b", "a\n", 7, None]


@pytest.mark.parametrize("name", TRICKS)
def test_names_cannot_lead_out_of_the_state_directory(client, name):
    for path in ("save_weights", "save_weights_for_sampler", "export_model"):
        status, answer = client.refuse(path, path=name)
        assert (status, answer["field"]) == (400, "path")
    reference = f"tinker://{client.model}/weights/{name}"
    assert client.refuse("load_weights", path=reference)[0] == 400
    assert client.refuse("load_weights", path=f"tinker://{name}/weights/a")[0] == 400


@pytest.mark.parametrize(
    "path", ["exports/{m}/../x", "exports/{m}/%2e%2e/x", "exports/{m}/a/..", "training_runs/../checkpoints"]
)
def test_addresses_cannot_lead_out_of_the_state_directory(client, worker, path):
    assert worker.call("GET", path.format(m=client.model))[0] in (400, 404)
    assert worker.call("DELETE", f"training_runs/{client.model}/checkpoints/weights/..")[0] == 400


def test_what_is_unknown_is_404_or_410(client, worker):
    assert worker.call("POST", "retrieve_future", {"request_id": "none"})[0] == 410
    assert worker.call("POST", "session_heartbeat", {"session_id": "none"})[0] == 404
    for path in ("get_info", "optim_step"):
        status, answer = worker.call("POST", path, {"model_id": "none", "seq_id": 1})
        assert (status, answer["field"]) == (404, "model_id")
    assert worker.call("POST", "asample", {"sampling_session_id": "none", "seq_id": 1})[0] == 404
    assert worker.call("POST", "no_such_route", {})[0] == 404
    assert worker.call("GET", "no_such_route")[0] == 404


def test_a_repeated_submission_is_the_same_future_and_applied_once(worker):
    client = Client(worker)
    body = dict(model_id=client.model, seq_id=1, forward_backward_input=sft(b"abcdef"))
    first, again = worker.post("forward_backward", **body), worker.post("forward_backward", **body)
    assert first == again
    once = Client(worker)
    once.do("forward_backward", forward_backward_input=sft(b"abcdef"))
    norms = [
        worker.result("optim_step", model_id=c.model, seq_id=2, adam_params=ADAM)["metrics"] for c in (client, once)
    ]
    assert norms[0] == norms[1] and norms[0]["step"] == 1
    status, answer = worker.call(
        "POST", "optim_step", dict(model_id=client.model, seq_id=2, adam_params=ADAM | {"beta1": 0})
    )
    assert (status, answer["field"]) == (409, "seq_id")
    assert worker.result("optim_step", model_id=client.model, seq_id=2, adam_params=ADAM)["metrics"]["step"] == 1


def test_creation_is_idempotent_too(worker):
    session = worker.post("create_session")["session_id"]
    body = dict(session_id=session, model_seq_id=3, base_model="model", lora_config={"rank": 2})
    assert worker.post("create_model", **body) == worker.post("create_model", **body)
    assert worker.call("POST", "create_model", body | {"lora_config": {"rank": 3}})[0] == 409
    sampler = dict(session_id=session, sampling_session_seq_id=3, base_model="model")
    assert worker.post("create_sampling_session", **sampler) == worker.post("create_sampling_session", **sampler)


@pytest.mark.parametrize(
    "change, field",
    [
        ({"base_model": "other"}, "base_model"),
        ({"lora_config": {"rank": -1}}, "lora_config.rank"),
        ({"lora_config": {"rank": 4, "alpha": 0}}, "lora_config.alpha"),
        ({"lora_config": {"rank": 4, "dropout": 0.1}}, "lora_config.dropout"),
        ({"lora_config": {"rank": 4, "train_mlp": 1}}, "lora_config.train_mlp"),
        ({"lora_config": None}, "lora_config"),
        ({"optimizer_config": {"type": "dimuon", "version": 1}}, "optimizer_config.type"),
        ({"optimizer_config": {"type": "adamw", "fused": True}}, "optimizer_config.fused"),
    ],
)
def test_a_bad_model_is_refused(worker, client, change, field):
    body = dict(session_id=client.session, model_seq_id=9, base_model="model", lora_config={"rank": 4}) | change
    status, answer = worker.call("POST", "create_model", body)
    assert (status, answer["field"]) == (400, field)


def test_the_mask_says_which_log_probabilities_come_back(client):
    whole = client.do(
        "forward", forward_input={"data": [datum([1, 2, 3, 4], weights=[0.0] * 3)], "loss_fn": "cross_entropy"}
    )
    logprobs = whole["loss_fn_outputs"][0]["logprobs"]["data"]
    assert all(value < 0 for value in logprobs)
    weighted = client.do("forward", forward_input={"data": [GOOD], "loss_fn": "cross_entropy"})
    assert weighted["loss_fn_outputs"][0]["logprobs"]["data"] == pytest.approx([0, *logprobs[1:]], abs=1e-5)
    masked = datum([1, 2, 3, 4], logprobs=[0.0] * 3, advantages=[0.0, 0.0, 1.0], mask=[0.0, 1.0, 1.0])
    answer = client.do("forward_backward", forward_backward_input={"data": [masked], "loss_fn": "ppo"})
    assert answer["loss_fn_outputs"][0]["logprobs"]["data"] == pytest.approx([0, *logprobs[1:]], abs=1e-5)
    assert answer["metrics"]["trained_tokens:sum"] == 2


@pytest.mark.parametrize("rank", [0, 4])
def test_a_life(worker, rank):
    """Train, save, publish, sample, export, resume: over HTTP, for LoRA and for all weights."""
    client = Client(worker, rank, alpha=8)
    info = worker.post("get_info", model_id=client.model, type="get_info")
    assert (info["is_lora"], info["lora_rank"]) == (rank > 0, rank)
    losses = []
    for _ in range(12):
        losses.append(client.do("forward_backward", forward_backward_input=sft(b"hello world"))["metrics"]["loss:sum"])
        assert client.do("optim_step", adam_params=ADAM)["metrics"]["grad_norm"] > 0
    assert losses[-1] < losses[0] / 2
    assert client.do("save_weights", path="half") == {"path": f"tinker://{client.model}/weights/half"}
    assert client.do("save_weights", path="half")["category"] == "user"
    assert "error" not in client.do("save_weights", path="half", overwrite=True)

    live = client.publish(1)
    named = client.do("save_weights_for_sampler", path="v1")
    opened = worker.post(
        "create_sampling_session", session_id=client.session, sampling_session_seq_id=7, model_path=named["path"]
    )
    samples = [
        client.sample(sampler, 1, [104], num_samples=2, sampling_params={"max_tokens": 6, "seed": 5})["sequences"]
        for sampler in (live, opened["sampling_session_id"])
    ]
    assert [s["tokens"] for s in samples[0]] == [s["tokens"] for s in samples[1]]
    assert ("adapter_directory" in named) == (rank > 0)
    if rank > 0:
        assert load_file(Path(named["adapter_directory"]) / "adapter_model.safetensors")

    export = client.do("export_model", path="merged")
    directory = Path(worker.state) / client.model / "fetched"
    directory.mkdir()
    for file in export["files"]:
        status, payload = worker.call("GET", f"exports/{client.model}/merged/{file['name']}")
        payload = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        assert status == 200 and (len(payload) == file["size_bytes"] or file["name"].endswith(".json"))
        (directory / file["name"]).write_bytes(payload)
    module = AutoModelForCausalLM.from_pretrained(directory)
    with torch.no_grad():
        logits = module(torch.tensor([list(b"hello worl")])).logits[0]
    loss = -torch.log_softmax(logits, -1).gather(1, torch.tensor(list(b"ello world"))[:, None]).sum().item()
    forward = client.do("forward", forward_input=sft(b"hello world"))["loss_fn_outputs"][0]["logprobs"]["data"]
    assert -sum(forward) == pytest.approx(loss, rel=1e-4)

    rest = lambda: [
        (
            client.do("forward_backward", forward_backward_input=sft(b"other text"))["metrics"],
            client.do("optim_step", adam_params=ADAM),
        )
        for _ in range(3)
    ]
    straight = rest()
    client.do("load_weights", path=f"tinker://{client.model}/weights/half", optimizer=True)
    assert rest() == straight

    listed = worker.call("GET", f"training_runs/{client.model}/checkpoints")[1]["checkpoints"]
    assert [entry["checkpoint_id"] for entry in listed] == ["weights/half", "sampler_weights/v1"]
    assert worker.call("DELETE", f"training_runs/{client.model}/checkpoints/sampler_weights/v1")[0] == 200
    assert worker.call("DELETE", f"training_runs/{client.model}/checkpoints/sampler_weights/v1")[0] == 404
    worker.post("unload_sampler", sampling_session_id=live)
    assert worker.call("POST", "asample", {"sampling_session_id": live, "seq_id": 2})[0] == 404
    worker.result("unload_model", model_id=client.model)
    assert worker.call("POST", "get_info", {"model_id": client.model})[0] == 404


def test_the_base_model_tells_the_log_probabilities_of_a_sequence(worker, client):
    base = worker.post(
        "create_sampling_session", session_id=client.session, sampling_session_seq_id=0, base_model="model"
    )
    text = list(b"some text")
    answer = client.sample(
        base["sampling_session_id"], 1, text, prompt_logprobs=True, sampling_params={"max_tokens": 1}
    )
    fresh = Client(worker)
    body = {"data": [datum(text, weights=[1.0] * 8)], "loss_fn": "cross_entropy"}
    want = fresh.do("forward", forward_input=body)["loss_fn_outputs"][0]["logprobs"]["data"]
    assert answer["prompt_logprobs"][0] is None
    assert answer["prompt_logprobs"][1:] == pytest.approx(want, abs=1e-5)
    cold = client.sample(
        base["sampling_session_id"],
        2,
        text,
        prompt_logprobs=True,
        prompt_logprobs_temperature=0.7,
        sampling_params={"max_tokens": 1},
    )
    body = {"data": [datum(text, weights=[1.0] * 8, temperature=[0.7] * 8)], "loss_fn": "cross_entropy"}
    colder = fresh.do("forward", forward_input=body)["loss_fn_outputs"][0]["logprobs"]["data"]
    assert cold["prompt_logprobs"][1:] == pytest.approx(colder, abs=1e-5)
    assert cold["prompt_logprobs"][1:] != pytest.approx(want, abs=1e-2)


@pytest.mark.parametrize(
    "body, field",
    [
        ({"sampling_params": {"temperature": -1}}, "sampling_params.temperature"),
        ({"sampling_params": {"temperature": 1e-5}}, "sampling_params.temperature"),
        ({"sampling_params": {"top_p": 0}}, "sampling_params.top_p"),
        ({"sampling_params": {"stop": [""]}}, "sampling_params.stop"),
        ({"sampling_params": {"stop": 5}}, "sampling_params.stop"),
        ({"sampling_params": {"max_tokens": 0}}, "sampling_params.max_tokens"),
        ({"sampling_params": {"min_p": 0.1}}, "sampling_params.min_p"),
        ({"num_samples": 0}, "num_samples"),
        ({"prompt_logprobs": True, "prompt_logprobs_temperature": 0}, "prompt_logprobs_temperature"),
        ({"topk_prompt_logprobs": 2}, "topk_prompt_logprobs"),
        ({"topk_sample_logprobs": 1}, "topk_sample_logprobs"),
        ({"prompt_alt_tokens_k": 1}, "prompt_alt_tokens_k"),
        ({"record_stability_info": True}, "record_stability_info"),
        ({"prompt_logprobs_last_n": 1}, "prompt_logprobs_last_n"),
    ],
)
def test_a_bad_sample_request_is_refused(worker, client, body, field):
    base = worker.post(
        "create_sampling_session", session_id=client.session, sampling_session_seq_id=0, base_model="model"
    )
    prompt = {"chunks": [{"type": "encoded_text", "tokens": [1]}]}
    request = {"sampling_session_id": base["sampling_session_id"], "seq_id": 99, "prompt": prompt, **body}
    status, answer = worker.call("POST", "asample", request)
    assert (status, answer["field"]) == (400, field)
    prompt["chunks"][0]["tokens"] = [1] * 256
    status, answer = worker.call(
        "POST", "asample", {"sampling_session_id": base["sampling_session_id"], "seq_id": 99, "prompt": prompt}
    )
    assert (status, answer["field"], answer["code"]) == (400, "prompt", "context-exceeded")


def test_it_works_on_after_a_signal_while_its_parent_lives(model_directory, tmp_path):
    worker = WorkerProcess(model_directory, tmp_path)
    client = Client(worker)
    for number in (signal.SIGTERM, signal.SIGINT):
        worker.process.send_signal(number)
        assert client.do("forward_backward", forward_backward_input=sft(b"x" * 200))["loss_fn_outputs"]
    assert client.do("save_weights", path="saved")["path"].endswith("/weights/saved")
    assert worker.close() == 0


def test_sigterm_ends_a_worker_that_was_started_by_hand(model_directory, tmp_path):
    worker = WorkerProcess(model_directory, tmp_path, with_parent=False)
    client = Client(worker)
    for number in range(1, 20):
        worker.post("forward_backward", model_id=client.model, seq_id=number, forward_backward_input=sft(b"x" * 200))
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.wait(60) == 0  # the operation at hand was finished
    worker.process.stdin.close()
    worker.process.stdout.close()


@pytest.mark.parametrize(
    "options, key, words",
    [
        (["--host", "0.0.0.0"], KEY, "--allow-remote"),
        ([], "", "AGENT_LIGHTNING_WORKER_KEY"),
        ([], "short", "AGENT_LIGHTNING_WORKER_KEY"),
        (["--sampler-memory", "0"], KEY, "--sampler-memory"),
        (["--token-budget", "0"], KEY, "--token-budget"),
    ],
)
def test_it_does_not_start_unsafely(model_directory, tmp_path, options, key, words):
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "agent_lightning_worker",
            "--model",
            str(model_directory),
            "--state-dir",
            str(tmp_path),
            *options,
        ],
        env=os.environ | {"AGENT_LIGHTNING_WORKER_KEY": key},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 2 and words in run.stderr and run.stdout == ""
