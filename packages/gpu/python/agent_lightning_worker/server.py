"""HTTP: keys, limits, JSON and protobuf around the routes."""

import hmac
import json
import logging
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from agent_lightning_worker.checkpoint_routes import list_checkpoints
from agent_lightning_worker.errors import WorkerError
from agent_lightning_worker.fields import Fields, parse_json
from agent_lightning_worker.messages import PROTOBUF, read_pass_message, write_result
from agent_lightning_worker.routes import POSTS, capabilities, get_sampler
from agent_lightning_worker.state_directory import KINDS, check_name
from agent_lightning_worker.worker import Worker

log = logging.getLogger(__name__)

PREFIX = "/api/v1/"


class WorkerServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], worker: Worker, key: str, max_body_bytes: int) -> None:
        self.worker = worker
        self.key = key.encode()
        self.max_body_bytes = max_body_bytes
        self._answering = 0
        self._idle = threading.Condition()
        super().__init__(address, Handler)

    @contextmanager
    def answering(self) -> Iterator[None]:
        with self._idle:
            self._answering += 1
        try:
            yield
        finally:
            with self._idle:
                self._answering -= 1
                self._idle.notify_all()

    def wait_for_answers(self, timeout_seconds: float = 5.0) -> None:
        """Until every request that was begun has its answer."""
        with self._idle:
            self._idle.wait_for(lambda: self._answering == 0, timeout_seconds)


class Handler(BaseHTTPRequestHandler):
    server: WorkerServer
    protocol_version = "HTTP/1.1"
    server_version = "agent-lightning-worker"
    sys_version = ""
    timeout = 120  # of a connection that sends nothing
    wbufsize = -1  # head and body in one packet

    def do_GET(self) -> None:
        with self.server.answering():
            self._answer(self._get)

    def do_POST(self) -> None:
        with self.server.answering():
            self._answer(self._post)

    def do_DELETE(self) -> None:
        with self.server.answering():
            self._answer(self._delete)

    def _answer(self, route: Callable[[str], dict[str, Any] | bytes | None]) -> None:
        self._body_read = False
        try:
            if not self.path.startswith(PREFIX):
                raise _not_found(self.path)
            path = self.path.removeprefix(PREFIX)
            if path != "healthz" and not hmac.compare_digest(
                (self.headers.get("X-API-Key") or "").encode(), self.server.key
            ):
                raise WorkerError("X-API-Key: missing or wrong", status=401, field="X-API-Key")
            body = route(path)
            if body is not None:
                self._send(200, body)
        except WorkerError as error:
            self._send(error.status if error.status < 500 else 500, error.body())
        except ConnectionError:
            self.close_connection = True
        except Exception as error:
            log.exception("%s %s failed", self.command, self.path)
            self._send(500, WorkerError(f"{type(error).__name__}: {error}", category="server", code="failed").body())

    def _get(self, path: str) -> dict[str, Any] | None:
        match path.split("/"):
            case ["healthz"]:
                return {"status": "ok"}
            case ["get_server_capabilities"]:
                return capabilities(self.server.worker)
            case ["samplers", sampler_id]:
                return get_sampler(self.server.worker, sampler_id)
            case ["training_runs", model_id, "checkpoints"]:
                return list_checkpoints(self.server.worker, model_id)
            case ["exports", model_id, name, file]:
                return self._send_file(model_id, name, file)
        raise _not_found(self.path)

    def _post(self, path: str) -> dict[str, Any] | bytes:
        if path not in POSTS:
            raise _not_found(self.path)
        raw = self._read_body()
        if self._names_protobuf("Content-Type"):
            if path != "forward_backward":
                raise WorkerError(f"Content-Type: {path} takes JSON alone", status=415, field="Content-Type")
            path, body = read_pass_message(raw)
        else:
            body = parse_json(raw)
        answer = POSTS[path](self.server.worker, Fields(body))
        message = write_result(answer) if self._names_protobuf("Accept") else None
        return answer if message is None else message

    def _names_protobuf(self, header: str) -> bool:
        return PROTOBUF in (self.headers.get(header) or "").lower()

    def _delete(self, path: str) -> dict[str, Any]:
        match path.split("/"):
            case ["training_runs", model_id, "checkpoints", kind, name] if kind in KINDS:
                if self.server.worker.state.remove(model_id, kind, name):
                    return {"removed": f"tinker://{model_id}/{kind}/{name}"}
        raise _not_found(self.path)

    def _read_body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit():
            raise WorkerError("Content-Length: missing", status=411, field="Content-Length")
        if self.headers.get("Content-Encoding", "identity") != "identity":
            raise WorkerError("Content-Encoding: send the body as it is", status=415, field="Content-Encoding")
        if int(length) > self.server.max_body_bytes:
            limit = self.server.max_body_bytes
            raise WorkerError(
                f"body: {length} bytes, more than the {limit} allowed; send fewer datums", status=413, field="body"
            )
        body = self.rfile.read(int(length))
        self._body_read = True
        return body

    def _leave_body(self) -> None:
        """What is left of the request would be read as the next one."""
        has_body = self.command == "POST" or "Content-Length" in self.headers or "Transfer-Encoding" in self.headers
        if has_body and not self._body_read:
            self.close_connection = True

    def _send_file(self, model_id: str, name: str, file: str) -> None:
        path = self.server.worker.state.path(model_id, "exports", name) / check_name(file, "file")
        if not path.is_file():
            raise _not_found(self.path)
        self._leave_body()
        with path.open("rb") as source:
            self.send_response(200)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(path.stat().st_size))
            self.end_headers()
            shutil.copyfileobj(source, self.wfile)

    def _send(self, status: int, body: dict[str, Any] | bytes) -> None:
        """A dict as JSON, bytes as the protobuf message that they are."""
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._leave_body()
        self.send_response(status)
        self.send_header("Content-Type", PROTOBUF if isinstance(body, bytes) else "application/json")
        self.send_header("Content-Length", str(len(payload)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format: str, *args: Any) -> None:
        log.debug("%s " + format, self.address_string(), *args)


def _not_found(path: str) -> WorkerError:
    return WorkerError(f"no such route or file: {path}", status=404, field="path")
