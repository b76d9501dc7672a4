"""The command line: loads the model, listens, and ends in good order."""

import argparse
import ipaddress
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

KEY_VARIABLE = "AGENT_LIGHTNING_WORKER_KEY"
log = logging.getLogger(__name__)


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog="agent-lightning-worker",
        description="Trains LoRA adapters, or all weights, of one causal language model behind a JSON subset of the Tinker REST API.",
        epilog=f"The API key is read from the environment variable {KEY_VARIABLE}; without one the worker does not start.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    p.add_argument(
        "--model", type=Path, required=True, metavar="DIR", help="a Hugging Face causal language model's directory"
    )
    p.add_argument("--model-name", metavar="NAME", help="its name in the protocol (default: the directory's)")
    p.add_argument("--host", default="127.0.0.1", help="address to listen on")
    p.add_argument("--port", type=int, default=0, help="0 is a free one")
    p.add_argument(
        "--allow-remote", action="store_true", help="permits a --host that other machines reach; put TLS in front of it"
    )
    p.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    p.add_argument(
        "--dtype",
        choices=["auto", "float32", "bfloat16"],
        default="auto",
        help="of frozen weights; auto: bfloat16 on cuda",
    )
    p.add_argument(
        "--attention", default="packed", help="packed, or an implementation of transformers, whose sequences are padded"
    )
    p.add_argument("--gradient-checkpointing", choices=["auto", "on", "off"], default="auto", help="auto: on cuda")
    p.add_argument(
        "--state-dir", type=Path, default=Path("agent-lightning-worker-state"), metavar="DIR", help="for checkpoints"
    )
    p.add_argument("--token-budget", type=_positive, default=8192, metavar="N", help="tokens of one forward pass")
    p.add_argument("--max-context", type=_positive, metavar="N", help="longest sequence (default: the model's)")
    p.add_argument("--sampler-rows", type=_positive, default=64, metavar="N", help="sequences sampled at once")
    p.add_argument(
        "--sampler-memory", type=float, default=2.0, metavar="GIB", help="for keys and values of what is sampled"
    )
    p.add_argument("--max-body", type=_positive, default=64, metavar="MIB", help="largest request")
    p.add_argument(
        "--session-timeout",
        type=float,
        default=300.0,
        metavar="SECONDS",
        help="a silent client's models are freed after it",
    )
    p.add_argument("--threads", type=_positive, metavar="N", help="CPU threads (default: torch's)")
    p.add_argument("--seed", type=int, default=0, help="for adapters and samples whose request has none")
    p.add_argument(
        "--exit-with-parent",
        action="store_true",
        help="ends when standard input closes, and by no signal but SIGKILL: who started it may still need it to save",
    )
    p.add_argument(
        "--log-level",
        choices=["debug", "info", "warning", "error"],
        default="info",
        help="of the log on standard error",
    )
    return p


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    logging.basicConfig(
        level=options.log_level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        return _serve(options)
    except _Refusal as refusal:
        print(f"agent-lightning-worker: {refusal}", file=sys.stderr)
        return 2


class _Refusal(Exception):
    """The command line asks for what cannot be."""


def _serve(options: argparse.Namespace) -> int:
    key = os.environ.pop(KEY_VARIABLE, "")
    if len(key) < 8 or not key.isascii():
        raise _Refusal(
            f"set {KEY_VARIABLE} to a key of at least 8 ASCII characters, such as: export {KEY_VARIABLE}=$(openssl rand -hex 24)"
        )
    if not _is_loopback(options.host) and not options.allow_remote:
        raise _Refusal(f"--host {options.host} is reached by other machines; add --allow-remote if that is meant")
    if not (options.model / "config.json").is_file():
        raise _Refusal(f"--model {options.model}: no config.json there; give a Hugging Face model's directory")
    if not options.sampler_memory > 0 or not options.session_timeout > 0:
        raise _Refusal("--sampler-memory and --session-timeout must be more than 0")
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _note_signal if options.exit_with_parent else lambda *_: ending.set())
    if options.exit_with_parent:
        threading.Thread(target=_watch_parent, args=(ending,), daemon=True).start()

    from agent_lightning_worker.errors import WorkerError  # from here on torch is needed, which takes seconds
    from agent_lightning_worker.server import WorkerServer
    from agent_lightning_worker.startup import create_worker

    try:
        worker = create_worker(options)
    except WorkerError as error:
        raise _Refusal(str(error)) from error
    try:
        server = WorkerServer((options.host, options.port), worker, key, options.max_body * 2**20)
    except OSError as error:
        raise _Refusal(f"--host {options.host} --port {options.port}: {error.strerror}") from error
    worker.start()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    host, port = server.server_address[:2]
    print(json.dumps({"listening": f"http://{host}:{port}", "pid": os.getpid()}), flush=True)
    while not ending.wait(1.0):
        worker.expire()
    log.info("ending: the operation at hand is finished first")
    worker.stop()
    server.shutdown()
    server.wait_for_answers()
    return 0


def _note_signal(number: int, _frame: object) -> None:
    """A service manager may send SIGTERM to every process of a run at once; the one that started this worker saves first."""
    os.write(2, f"{signal.Signals(number).name}: going on until standard input closes\n".encode())


def _watch_parent(ending: threading.Event) -> None:
    with suppress(OSError):  # there is no standard input, so also no parent
        while os.read(0, 65536):  # not sys.stdin, whose lock a thread must not hold at exit
            pass
    ending.set()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not at least 1")
    return value
