"""Points the tests of Agent Lightning 0.3 at another server: fixtures that replace those of the tests' own conftest.

Where a test asks for a store, it gets 0.3's own `LightningStoreClient` of a fresh server of ours. Where it starts 0.3's
`LightningStoreServer`, a fresh server of ours starts at that address instead; what a test asks that object itself, the client asks.
AGL03_CONTROL is the address of the program that starts and ends servers.
"""

import json
import os
import urllib.request

import pytest
import pytest_asyncio

from agentlightning.store.client_server import LightningStoreClient
from agentlightning.store.memory import InMemoryLightningStore

CONTROL = os.environ["AGL03_CONTROL"]


def ask(path, body):
    request = urllib.request.Request(
        CONTROL + path, data=json.dumps(body).encode(), headers={"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.loads(response.read())


class RemoteServer:
    """Stands where a test starts a server: ours starts."""

    def __init__(self, store=None, host=None, port=None, cors_allow_origins=None, launcher_args=None, **_options):
        self.store = None
        self.launcher_args = launcher_args
        port = port if port is not None else getattr(launcher_args, "port", None)
        self._wish = {"port": port or 0, "origins": cors_allow_origins}
        self._url = None
        self._client = None

    @property
    def endpoint(self):
        return self._url

    async def start(self):
        self._url = ask("/start", self._wish)["url"]
        self._client = LightningStoreClient(self._url)

    async def stop(self):
        if self._client is not None:
            await self._client.close()
        if self._url is not None:
            ask("/stop", {"url": self._url})
            self._url = None

    def __getattr__(self, name):
        client = self.__dict__.get("_client")
        if client is None or name.startswith("_"):
            raise AttributeError(name)
        return getattr(client, name)


@pytest.fixture(autouse=True)
def remote_server(request, monkeypatch):
    """Replaces 0.3's server in the module of the test."""
    if hasattr(request.module, "LightningStoreServer"):
        monkeypatch.setattr(request.module, "LightningStoreServer", RemoteServer)


@pytest_asyncio.fixture
async def inmemory_store(request):
    """Takes the place of 0.3's store in memory; tests that start a server themselves need none."""
    if hasattr(request.module, "LightningStoreServer"):
        yield InMemoryLightningStore(scan_debounce_seconds=0)
        return
    url = ask("/start", {"port": 0})["url"]
    client = LightningStoreClient(url)
    try:
        yield client
    finally:
        await client.close()
        ask("/stop", {"url": url})
