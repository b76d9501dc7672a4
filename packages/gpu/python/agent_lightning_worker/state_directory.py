"""Directories that appear whole or not at all, under names that cannot lead elsewhere."""

import os
import re
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from agent_lightning_worker.errors import WorkerError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
KINDS = ("weights", "sampler_weights", "exports")


def check_name(name: object, field: str) -> str:
    """@raises WorkerError unless it is a plain file name: letters, digits, dot, underscore, hyphen, no dot in front"""
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise WorkerError(
            f"{field}: {name!r} is not a name: use up to 200 of A-Z a-z 0-9 . _ - and begin with a letter or digit",
            field=field,
        )
    return name


class StateDirectory:
    """`<root>/<model id>/<kind>/<name>/`, where kind is one of `KINDS`."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.root.mkdir(parents=True, exist_ok=True)
        self._recover()

    def path(self, model_id: str, kind: str, name: str) -> Path:
        assert kind in KINDS
        return self.root / check_name(model_id, "model_id") / kind / check_name(name, "path")

    def resolve(self, reference: object, kinds: tuple[str, ...], field: str = "path") -> Path:
        """The directory of `tinker://<model id>/<kind>/<name>`. @raises WorkerError when it is none or absent"""
        parts = reference.removeprefix("tinker://").split("/") if isinstance(reference, str) else []
        if len(parts) != 3 or not str(reference).startswith("tinker://") or parts[1] not in kinds:
            wanted = " or ".join(f"tinker://<model id>/{kind}/<name>" for kind in kinds)
            raise WorkerError(f"{field}: {reference!r} is not {wanted}", field=field)
        path = self.path(parts[0], parts[1], parts[2])
        if not path.is_dir():
            raise WorkerError(f"{field}: {reference} does not exist", field=field)
        return path

    def write(self, model_id: str, kind: str, name: str, overwrite: bool, fill: Callable[[Path], None]) -> Path:
        """`fill` writes files into a new directory, which then takes its place. A crash leaves the old one or the new one.

        @raises WorkerError when the name exists and `overwrite` is false
        """
        target = self.path(model_id, kind, name)
        if target.exists() and not overwrite:
            raise WorkerError(
                f"path: {kind}/{name} of {model_id} exists; send another name, or overwrite true", field="path"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = self._unlisted(target)
        staging.mkdir()
        try:
            fill(staging)
            for file in staging.iterdir():
                _sync(file)
            _sync(staging)
            if target.exists():
                replaced = target.parent / f".old.{name}"
                target.rename(replaced)
                staging.rename(target)
                shutil.rmtree(replaced)
            else:
                staging.rename(target)
            _sync(target.parent)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        return target

    def remove(self, model_id: str, kind: str, name: str) -> bool:
        """Whether there was one."""
        target = self.path(model_id, kind, name)
        if not target.is_dir():
            return False
        leaving = self._unlisted(target)
        target.rename(leaving)  # a crash below leaves nothing that looks like a checkpoint
        shutil.rmtree(leaving)
        return True

    @staticmethod
    def _unlisted(target: Path) -> Path:
        """A path beside it that is removed after a crash."""
        return target.parent / f".new.{target.name}.{secrets.token_hex(4)}"

    def list(self, model_id: str, kind: str) -> list[Path]:
        directory = self.root / check_name(model_id, "model_id") / kind
        return sorted(p for p in directory.iterdir() if not p.name.startswith(".")) if directory.is_dir() else []

    def _recover(self) -> None:
        """Puts back what a crash caught between its two renames, and removes what was never finished."""
        for kind in KINDS:
            for old in self.root.glob(f"*/{kind}/.old.*"):
                target = old.with_name(old.name.removeprefix(".old."))
                if target.exists():
                    shutil.rmtree(old)
                else:
                    old.rename(target)
            for unfinished in self.root.glob(f"*/{kind}/.new.*"):
                shutil.rmtree(unfinished)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
