"""Lets another Python, with a newer official client, train against this worker.

    python newest_client.py PYTHON SCRIPT          prints what the script prints, and exits as it does

`packages/tinker/test/official-sdk.full.test.ts` runs it with `tools/reference/tinker_sdk_training.py`.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import tiny
from worker_process import KEY, WorkerProcess


def main(python: str, script: str) -> int:
    with tempfile.TemporaryDirectory() as root:
        model = tiny.write_checkpoint(tiny.qwen3(), Path(root) / "model")
        worker = WorkerProcess(model, Path(root) / "state")
        try:
            environment = os.environ | {"TINKER_API_KEY": KEY, "TINKER_TELEMETRY": "0"}
            return subprocess.run([python, script, worker.url, "model"], env=environment, check=False).returncode
        finally:
            worker.close()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
