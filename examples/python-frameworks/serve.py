"""Runs a script again and again without importing its framework again: python serve.py SCRIPT MODULE...

The modules are imported once. For each line {"id", "environment", "input"} on standard input a process is forked, which runs the script as
`python SCRIPT` would, and a line {"id", "output", "status"} is written when it has ended; {"id", "cancel": true} ends it before. All that
was started ends with standard input. Forking needs Linux or macOS.
"""

import gc
import importlib
import json
import os
import random
import runpy
import selectors
import signal
import sys
import traceback

script, modules = sys.argv[1], sys.argv[2:]
running = {}  # by the read end of its output: [id, process, output so far]
selector = selectors.DefaultSelector()


def run(request, input_end, output_end):
    """Runs the script in a forked process, and ends it."""
    status = 0
    try:
        os.dup2(input_end, 0)
        os.dup2(output_end, 1)
        os.dup2(output_end, 2)
        sys.stdin = open(0, encoding="utf-8", closefd=False)
        os.environ.update(request["environment"])
        random.seed(request["input"])  # all runs of one input draw the same, so that they can be compared with each other
        sys.argv = [script]
        runpy.run_path(script, run_name="__main__")
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def start(request):
    input_end, task_end = os.pipe()
    result_end, output_end = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(task_end)
        run(request, input_end, output_end)
    os.close(input_end)
    os.close(output_end)
    with open(task_end, "w", encoding="utf-8") as task:
        task.write(request["input"])
    running[result_end] = [request["id"], process, b""]
    selector.register(result_end, selectors.EVENT_READ)


def read(result_end):
    """Reads what a process has printed, and reports it once it has ended."""
    chunk = os.read(result_end, 65536)
    running[result_end][2] += chunk
    if chunk:
        return
    selector.unregister(result_end)
    os.close(result_end)
    name, process, output = running.pop(result_end)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    print(json.dumps({"id": name, "output": output.decode(errors="replace"), "status": status}), flush=True)


def cancel(name):
    for known, process, _ in running.values():
        if name in (known, None):
            os.kill(process, signal.SIGKILL)


def serve():
    waiting = b""
    selector.register(0, selectors.EVENT_READ)
    print(json.dumps({"ready": True}), flush=True)
    while True:
        for key, _ in selector.select():
            if key.fd != 0:
                read(key.fd)
                continue
            chunk = os.read(0, 65536)
            if not chunk:
                return cancel(None)
            *lines, waiting = (waiting + chunk).split(b"\n")
            for request in map(json.loads, lines):
                cancel(request["id"]) if request.get("cancel") else start(request)


for module in modules:
    importlib.import_module(module)
gc.freeze()  # a collection in a forked process would copy every page
serve()
