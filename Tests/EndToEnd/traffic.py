"""Clients that keep asking while a test breaks things, and remember which exchanges ended for them."""

import threading

import httpx
from devfleet.edges import Edge
from world import World, chat_request


class Traffic:
    """Several clients, whole answers and streams in turn, on connections of their own.

    `ended` holds the ids of the exchanges whose answer came whole. What breaks because the other side was
    killed is no failure here: those exchanges had not ended.
    """

    def __init__(self, world: World, region: str | Edge, clients: int = 6, model: str = "scripted"):
        self.ended: list[str] = []
        self.broken = 0
        self._world, self._region, self._model = world, region, model
        self._stop = threading.Event()
        self._progress = threading.Condition()
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(clients)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(120)

    def wait_for(self, more: int) -> None:
        """Until so many more exchanges have ended."""
        with self._progress:
            goal = len(self.ended) + more
            assert self._progress.wait_for(lambda: len(self.ended) >= goal, 60), "the traffic does not flow"

    def _ask(self, number: int) -> None:
        while not self._stop.is_set():
            try:
                with self._world.http(self._region, http2=number % 2 == 0) as client:
                    self._ask_on(client, number)
            except (httpx.HTTPError, OSError):
                self.broken += 1

    def _ask_on(self, client: httpx.Client, number: int) -> None:
        while not self._stop.is_set():
            stream = number % 3 == 0
            answer = client.post("/chat/completions", json=chat_request(self._model, stream))
            whole = answer.status_code == 200 and (not stream or "[DONE]" in answer.text)
            if not whole:
                self.broken += 1
                continue
            with self._progress:
                self.ended.append(answer.headers["x-request-id"])
                self._progress.notify_all()
