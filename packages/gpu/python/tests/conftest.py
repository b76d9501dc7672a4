import os

os.environ["HF_HUB_OFFLINE"] = "1"

import torch

torch.set_num_threads(1)  # the models are too small to share out

import pytest
import tiny
from worker_process import WorkerProcess


@pytest.fixture(scope="session")
def model_directory(tmp_path_factory):
    return tiny.write_checkpoint(tiny.qwen3(), tmp_path_factory.mktemp("checkpoint") / "model")


@pytest.fixture(scope="session")
def worker(model_directory, tmp_path_factory):
    process = WorkerProcess(model_directory, tmp_path_factory.mktemp("state"), "--max-body", "1")
    yield process
    assert process.close() == 0
