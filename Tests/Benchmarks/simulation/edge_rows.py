"""Rows that ask what a real edge does with very many keys."""

import asyncio
import contextlib
import http.client
import json
import os
import pathlib
import ssl
import statistics
import subprocess
import tempfile
import time

from devfleet.processes import wait_until
from devfleet.workplace import program
from rig import account, content, native
from rig.upstream import Upstream

from .centre import MODEL, Centre
from .table import Table

RATE = 1_000
CONNECTIONS = 50
CHANGED_KEYS = 100_000
RUN_SECONDS = 45
# How long the edge's longest turn stands in its metrics.
TURNS_KEPT_SECONDS = 10
# How much sooner than the edge's other work the load and its upstream get the processor, where that may be set: what
# delays them would be taken for a delay of the edge.
NICENESS = -15


async def table(centre: Centre, options) -> Table:
    """The key table by itself, in a process that has nothing else."""
    runs = [await asyncio.to_thread(_probe, options) for _ in range(options.runs)]
    result = Table(f"the key table, {options.keys:,} keys in {options.teams:,} teams")

    def values(name: str) -> list[float]:
        return [run[name] for run in runs]

    result.median("resident", values("residentMegabytes"), "MB", most=150, digits=0)
    result.median("a look-up, any key, in random order", values("lookupNanoseconds"), "ns", most=200, digits=0)
    result.median(
        "the same, each waiting for the one before", values("chainedLookupNanoseconds"), "ns", digits=0
    )
    result.median("a look-up of what is not there", values("missNanoseconds"), "ns", digits=0)
    result.median("SHA-256 of the key, which comes before", values("hashNanoseconds"), "ns", digits=0)
    return result


def _probe(options) -> dict:
    command = [program("configuration-probe"), "keys", options.keys, options.teams]
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True, timeout=300)
    return json.loads(result.stdout)


async def cold_start(centre: Centre, options) -> Table:
    """From the start of the process to the answer of a request, with the control plane gone and nothing of the file in
    memory."""
    times = []
    with Rig(centre) as rig:
        centre.edge.start()
        await asyncio.to_thread(rig.wait_for_snapshot, options.keys)
        centre.edge.child.stop()
        centre.control_plane.child.stop()
        for _ in range(options.runs + 2):
            rig.forget_snapshot()
            begun = time.monotonic()
            centre.edge.launch()
            await asyncio.to_thread(rig.first_answer)
            times.append(time.monotonic() - begun)
            centre.edge.child.stop()
        centre.control_plane.start()
    result = Table(f"an edge's cold start from its disk with {options.keys:,} keys, control plane gone")
    result.median("until its first answer", times, "s", most=3)
    return result


async def pause(centre: Centre, options) -> Table:
    """The longest turns of the worker's loop and the slowest answers, while a large change comes and while none does."""
    changed = max(1, round(CHANGED_KEYS * options.scale))
    quiet, changing = [], []
    with Rig(centre) as rig, account.kernel_threads_on(os.cpu_count() - 1):
        centre.edge.start()
        await asyncio.to_thread(rig.wait_for_snapshot, options.keys)
        rig.give_the_worker_a_core()
        rig.load(RATE)
        for _ in range(options.runs + 2):
            quiet.append(await rig.watched_load(rig.usual_turn))
            changing.append(await rig.watched_load(lambda: rig.turn_of_a_change(changed)))
        centre.edge.child.stop()
    result = Table(
        f"{changed:,} of {options.keys:,} keys come to an edge with one worker and {RATE:,} requests a second"
    )
    usual, longest = [[run["turn_ms"] for run in runs] for runs in (quiet, changing)]
    result.median("longest turn of the worker's loop in twenty seconds, without", usual, "ms")
    result.median("the same with the change", longest, "ms")
    difference = statistics.median(longest) - statistics.median(usual)
    words = "over the baseline: a difference of two medians, each of the spread above"
    result.add(words, difference, "ms", most=1)
    for figure, name in (("slowest answer", "max_us"), ("p99 of answers", "p99_us")):
        result.median(f"{figure}, without", _milliseconds(quiet, name), "ms")
        result.median(f"{figure}, with the change", _milliseconds(changing, name), "ms")
    return result


def _milliseconds(runs: list[dict], name: str) -> list[float]:
    return [run[name] / 1000 for run in runs]


class Rig:
    """An upstream, a load and a first request for the centre's real edge."""

    def __init__(self, centre: Centre):
        self._centre = centre
        self._folder = pathlib.Path(tempfile.mkdtemp(prefix="rig-", dir=centre.folder))
        self._upstream = Upstream(self._folder / "upstream", centre.upstream_port, os.cpu_count() - 1)
        self._requests = content.write_requests(self._folder / "requests")
        self._client = native.build("client", self._folder)

    def __enter__(self) -> "Rig":
        self._upstream.start()
        _hasten(self._upstream.child.pid)
        self._key = self._centre.offer(self._upstream.url)
        return self

    def __exit__(self, *_) -> None:
        if self._centre.edge.child:
            self._centre.edge.child.stop()
        self._upstream.stop()

    @property
    def _snapshot(self) -> pathlib.Path:
        return self._centre.edge.data / "configuration.snapshot"

    def wait_for_snapshot(self, keys: int) -> None:
        """Until the edge has all keys on its disk, of which each takes 72 bytes."""
        wait_until(
            lambda: self._snapshot.exists() and self._snapshot.stat().st_size > keys * 72,
            "the edge's snapshot",
            seconds=300,
            children=[self._centre.edge.child],
        )
        newest = self._centre.newest_version()
        wait_until(lambda: self.version() >= newest, "the newest version", children=[self._centre.edge.child])

    def version(self) -> int:
        return int(self.metrics()["strait_edge_configuration_version"])

    def metrics(self) -> dict[str, float]:
        return self._centre.edge.metrics()

    def forget_snapshot(self) -> None:
        """The file's pages leave memory, so that the next start reads the disk."""
        descriptor = os.open(self._snapshot, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)

    def first_answer(self) -> None:
        """Asks until the edge takes a connection, and requires a good answer to the first request that it takes."""
        context = ssl.create_default_context(cafile=str(self._centre.fleet.ca_file))
        address = self._centre.edge.address

        def ask() -> bool:
            connection = http.client.HTTPSConnection(address, context=context, timeout=60)
            try:
                connection.connect()
            except ConnectionRefusedError:
                return False
            headers = {"authorization": f"Bearer {self._key}", "content-type": "application/json"}
            connection.request("POST", "/v1/chat/completions", content.chat_request(MODEL), headers)
            answer = connection.getresponse()
            if answer.status != 200:
                raise RuntimeError(f"the first request was answered with {answer.status}: {answer.read()[:300]}")
            answer.read()
            return True

        wait_until(ask, "the first answer", every=0.002, children=[self._centre.edge.child])

    def give_the_worker_a_core(self) -> None:
        """As the data path's benchmark does: who else wants its core would be taken for a pause of its own. Load,
        upstream, control plane, database and the edge's other threads share what is left."""
        account.pin(os.getpid(), os.cpu_count() - 1)
        worker = next(
            thread
            for thread in pathlib.Path(f"/proc/{self._centre.edge.child.pid}/task").iterdir()
            if (thread / "comm").read_text().strip() == "worker-0"
        )
        os.sched_setaffinity(int(worker.name), {0})

    async def watched_load(self, watch) -> dict:
        """The load's result, with the longest turn of the loop that `watch` saw meanwhile."""
        loading = asyncio.create_task(asyncio.to_thread(self.load, RATE * RUN_SECONDS))
        # Its connections' handshakes are not what is watched.
        await asyncio.sleep(TURNS_KEPT_SECONDS + 1)
        turn = await asyncio.to_thread(watch)
        # What the load did not last for would say nothing.
        if loading.done():
            raise RuntimeError("the load was over before it had been watched")
        return await loading | {"turn_ms": turn}

    def usual_turn(self) -> float:
        """The longest of twenty seconds."""
        return max(self._next_turns(), self._next_turns())

    def turn_of_a_change(self, keys: int) -> float:
        """The longest of the ten seconds before the edge has the change applied, in which it receives, checks, tries and
        builds it, and of the ten after, in which it stores it and lets go of what was before."""
        self._centre.change_keys(keys)
        newest = self._centre.newest_version()
        wait_until(lambda: self.version() >= newest, "the change", every=0.2)
        return max(self._longest_turn(), self._next_turns())

    def _next_turns(self) -> float:
        time.sleep(TURNS_KEPT_SECONDS)
        return self._longest_turn()

    def _longest_turn(self) -> float:
        """Of the last ten seconds, in milliseconds."""
        return 1000 * self.metrics()["strait_edge_loop_turn_longest_seconds"]

    def load(self, requests: int) -> dict:
        command = [
            *(self._client, "paced", "--url", f"{self._centre.edge.base_url}/chat/completions"),
            *("--body", self._requests["small"], "--key", self._key, "--connections", CONNECTIONS),
            *("--rate", RATE, "--requests", requests),
        ]
        process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True)
        _hasten(process.pid)
        output, _ = process.communicate(timeout=120)
        result = json.loads(output)
        if result["failed"]:
            raise RuntimeError(f"not every request was answered: {result}")
        return result


def _hasten(pid: int) -> None:
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, pid, NICENESS)
