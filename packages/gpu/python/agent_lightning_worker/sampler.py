"""Takes sample requests from any thread; the worker's own thread advances them all."""

import queue

from transformers import PreTrainedTokenizerBase

from agent_lightning_worker.network import Network
from agent_lightning_worker.sampling_lane import SampleRequest, SamplingLane, SamplingLimits


class Sampler:
    """One lane for each network: adapters of one base model are sampled in the same batch."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase | None, limits: SamplingLimits) -> None:
        self._tokenizer = tokenizer
        self._limits = limits
        self._inbox: queue.SimpleQueue[SampleRequest] = queue.SimpleQueue()
        self._lanes: dict[Network, SamplingLane] = {}

    def add(self, request: SampleRequest) -> None:
        self._inbox.put(request)

    @property
    def busy(self) -> bool:
        return bool(self._lanes) or not self._inbox.empty()

    def step(self, report) -> None:
        """One step of every lane. A lane that fails gives up its requests, with the error as `report` words it."""
        while not self._inbox.empty():
            request = self._inbox.get()
            network = request.weights.network
            lane = self._lanes.setdefault(network, SamplingLane(network, self._tokenizer, self._limits))
            lane.add(request)
        for network, lane in list(self._lanes.items()):
            try:
                lane.step()
            except Exception as error:
                lane.fail_all(report(error))
            if not lane.busy:
                del self._lanes[network]

    def fail_all(self, error: Exception) -> None:
        """Gives up everything; for the end of the worker."""
        while not self._inbox.empty():
            self._inbox.get().failed(error)
        for lane in self._lanes.values():
            lane.fail_all(error)
        self._lanes.clear()
