"""The upstream of edge and peers alike: the program in the folder upstream, on the load's core."""

import pathlib

from devfleet.processes import Child, wait_until

from . import account, content, native


class Upstream:
    def __init__(self, folder: pathlib.Path, port: int, core: int, *, yields=False):
        """`yields`: it runs only when nothing else wants its core."""
        self.port, self._folder, self._core = port, folder, core
        self._prefix = ["chrt", "--idle", "0"] if yields else []
        self.url = f"http://127.0.0.1:{port}"
        self.child = None

    def start(self) -> None:
        content.write_answers(self._folder / "answers")
        program = native.build("upstream", self._folder)
        command = ["taskset", "-c", self._core, *self._prefix, program, self.port, self._folder / "answers"]
        self.child = Child("upstream", command, self._folder / "upstream.log")
        wait_until(lambda: account.listens(self.port), "the upstream listens", children=[self.child])

    @property
    def large_bytes(self) -> int:
        """The size of its large answer."""
        return (self._folder / "answers" / "large.json").stat().st_size

    def stop(self) -> None:
        if self.child:
            self.child.stop()
