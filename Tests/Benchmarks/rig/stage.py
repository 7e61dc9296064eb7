"""Everything that a row needs, started when it is first asked for and ended together."""

import pathlib
import shutil
import tempfile
import time

from devfleet.ports import free_port
from devfleet.workplace import FleetError

from . import account, content, native, peers
from .edge import MeasuredEdge
from .gateway import LiteLLM
from .load import Load, Target
from .upstream import Upstream

PROXY_CORE, LOAD_CORE = 0, 1


class Stage:
    def __init__(self, *, besieged=False, **edge_options):
        """`besieged`: attackers have an upstream of their own, which takes no more of the load's core than they do."""
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="strait-bench-"))
        self.upstream = Upstream(self.folder / "upstream", free_port(), LOAD_CORE)
        self._attacked = None
        if besieged:
            self._attacked = Upstream(self.folder / "attacked", free_port(), LOAD_CORE, yields=True)
            edge_options["attacked_url"] = self._attacked.url
        self.edge = MeasuredEdge(self.folder / "fleet", self.upstream.url, PROXY_CORE, **edge_options)
        self.requests = content.write_requests(self.folder / "requests")
        self.load = Load(native.build("client", self.folder), LOAD_CORE)
        self._subjects = {}

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, *_) -> None:
        for subject in self._subjects.values():
            subject.stop()
        self.upstream.stop()
        if self._attacked:
            self._attacked.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def subject(self, name: str):
        """The edge or a peer by its name, up and running."""
        if not self._subjects:
            self.upstream.start()
            if self._attacked:
                self._attacked.start()
            self._start(self.edge)
        if name not in self._subjects:
            kind = next(kind for kind in (*peers.ALL, LiteLLM) if kind.name == name)
            self._start(kind(self.folder, self.upstream.port, self.edge.pair, self.edge.key, PROXY_CORE))
        return self._subjects[name]

    def target(self, name: str, body="small", answer=None, path="/chat/completions", upstream="http2"):
        url = self.subject(name).url(path, upstream)
        return Target(url, self.requests[body], self.edge.key, answer)

    def direct(self, body="small", answer=None) -> Target:
        """The upstream itself, without TLS."""
        self.subject(self.edge.name)
        return Target(f"{self.upstream.url}/v1/chat/completions", self.requests[body], self.edge.key, answer)

    def resident_bytes(self, name: str) -> int:
        return account.resident_bytes(self.subject(name).pid)

    def cpu_microseconds(self, name: str, work) -> float:
        """CPU that the subject spends while `work` runs."""
        pid = self.subject(name).pid
        before = account.cpu_nanoseconds(pid)
        work()
        return (account.cpu_nanoseconds(pid) - before) / 1000

    def recorded(self, name: str, exchanges: int, work):
        """Runs `work`, which makes so many exchanges. What an edge costs counts only when it did all of its work: a
        usage record of each."""
        if name != self.edge.name:
            return work()
        before = self.edge.records()
        result = work()
        deadline = time.monotonic() + 10
        while (written := self.edge.records() - before) < exchanges and time.monotonic() < deadline:
            time.sleep(0.1)
        if written < exchanges:
            raise FleetError(f"the edge kept {written} usage records of {exchanges} exchanges")
        return result

    @staticmethod
    def require(name: str, condition: bool, result) -> None:
        if not condition:
            raise FleetError(f"{name} did not do all of the work: {result}")

    @property
    def large_bytes(self) -> int:
        return self.upstream.large_bytes

    def _start(self, subject) -> None:
        self._subjects[subject.name] = subject
        subject.start()
