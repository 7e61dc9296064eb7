"""What a measurement needs beside the edge: an upstream that costs next to nothing, and the peer."""

import json
import os
import pathlib
import subprocess

from devfleet.processes import Child, wait_until

BYTES = 1024


class StaticUpstream:
    """upstream.c beside this file, which answers every request with the same chat completion of 1 KB."""

    def __init__(self, folder: pathlib.Path, port: int, core: int):
        self.port, self._folder, self._core = port, folder, core
        self.url = f"http://127.0.0.1:{port}"
        self.child = None

    def start(self) -> None:
        self._folder.mkdir(parents=True)
        answer, built = self._folder / "answer.json", self._folder / "upstream"
        answer.write_text(completion())
        source = pathlib.Path(__file__).resolve().parent / "upstream.c"
        subprocess.run(["gcc", "-O2", "-o", built, source, "-lnghttp2"], check=True)
        self.child = Child("upstream", [built, self.port, answer], self._folder / "upstream.log")
        pin(self.child.pid, self._core)
        wait_until(lambda: listens(self.port), "the upstream listens", children=[self.child])

    def stop(self) -> None:
        if self.child:
            self.child.stop()


class Nghttpx:
    """The peer: a proxy on the same TLS and HTTP/2 libraries, written in C++."""

    def __init__(self, folder, port, upstream_port, pair):
        self.base_url = f"https://127.0.0.1:{port}/v1"
        self.child = None
        self._folder, self._port, self._upstream_port, self._pair = folder, port, upstream_port, pair

    def start(self) -> None:
        certificate, key = self._pair
        command = [
            *("nghttpx", "--workers=1", "--single-process", "--no-via", "--no-server-rewrite"),
            *(f"--frontend=127.0.0.1,{self._port}", f"--backend=127.0.0.1,{self._upstream_port};;proto=h2"),
            *("--accesslog-file=/dev/null", "--errorlog-file=/dev/null", "--conf=/dev/null"),
            *("--tls-min-proto-version=TLSv1.2", key, certificate),
        ]
        self.child = Child("nghttpx", command, self._folder / "nghttpx.log")
        wait_until(lambda: listens(self._port), "nghttpx listens", children=[self.child])

    def stop(self) -> None:
        if self.child:
            self.child.stop()


def completion() -> str:
    """A whole answer of exactly BYTES bytes, with usage."""

    def document(text):
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 200, "completion_tokens": 180, "total_tokens": 380}
        head = {"id": "chatcmpl-bench", "object": "chat.completion", "created": 1, "model": "bench"}
        return json.dumps({**head, "choices": [choice], "usage": usage})

    return document("a" * (BYTES - len(document(""))))


def request() -> str:
    """A request of exactly BYTES bytes."""

    def document(text):
        return json.dumps({"model": "bench", "messages": [{"role": "user", "content": text}]})

    return document("q" * (BYTES - len(document(""))))


def pin(pid: int, core: int) -> None:
    """Every thread that the process has now, and by inheritance those to come."""
    for thread in pathlib.Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


def listens(port: int) -> bool:
    """Whether a socket listens there, without connecting to it."""
    lines = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A" for line in lines)
