"""A crash tells nothing of what was in memory: no report, no core, not a byte of a prompt."""

import json
import os
import pathlib
import signal

import pytest
from devfleet.processes import wait_until
from edge_beside import H2Client, edge_beside
from scripted import scripts
from world import chat_request

CANARY = "canary-4f6b1c-in-memory"


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGILL, signal.SIGABRT, signal.SIGTRAP])
def test_a_crash_leaves_nothing_of_a_prompt(world, tmp_path, scripted, number):
    with edge_beside(world, tmp_path) as edge, scripted.doing(scripts.endless(CANARY)):
        with H2Client(world, edge) as client:
            request = json.dumps(chat_request(stream=True, content=CANARY)).encode()
            client.until_data(client.request("/chat/completions", request))
            assert core_limit(edge.child.pid) == ["0", "0"]
            folder = pathlib.Path(os.readlink(f"/proc/{edge.child.pid}/cwd"))
            before = set(folder.iterdir())
            os.kill(edge.child.pid, number)
            wait_until(lambda: not edge.child.running, "it has ended")
        assert edge.child.process.returncode == -number
        log = edge.log.read_text(errors="replace")
        assert CANARY not in log and CANARY.encode().hex() not in log
        for word in ("Registers", "Thread 0", "rax", "Backtrace", "core dumped"):
            assert word not in log, "there is a report"
        assert set(folder.iterdir()) == before, "there is a core"
        assert not [file for file in tmp_path.rglob("*") if file.is_file() and CANARY.encode() in file.read_bytes()]


def core_limit(pid: int) -> list[str]:
    lines = pathlib.Path(f"/proc/{pid}/limits").read_text().splitlines()
    return next(line for line in lines if line.startswith("Max core file size")).split()[4:6]
