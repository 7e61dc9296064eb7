"""`make run`: what it prints, what it leaves in dev.json, and that it takes everything with it when it
ends."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import pytest
from devfleet.processes import wait_until
from devfleet.workplace import REPOSITORY

LAUNCHER = REPOSITORY / "infra" / "dev"


@pytest.fixture(scope="module")
def folder():
    """The launcher's state, apart from that of a `make run` in this checkout."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="strait-launcher-"))
    yield folder
    note = folder / "postgresql-folder"
    if note.exists():
        shutil.rmtree(note.read_text().strip(), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def launch(folder):
    """Starts launchers, and sees to it that none outlives the test."""
    started = []

    def launch(**environment) -> subprocess.Popen:
        # What an earlier one that was killed left behind is not this one's word.
        (folder / "dev.json").unlink(missing_ok=True)
        with open(folder / "output.txt", "wb") as file:
            process = subprocess.Popen(
                [LAUNCHER],
                stdout=file,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "STRAIT_DEV_FOLDER": str(folder), **environment},
            )
        started.append(process)
        return process

    yield launch
    for process in started:
        process.kill()
        process.wait()


def output(folder) -> str:
    return (folder / "output.txt").read_text()


def started_by(pid: int) -> set[int]:
    """Everything that the process started and that they started."""
    found = set()
    for children in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        # A thread may end meanwhile.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for child in map(int, children.read_text().split()):
                found |= {child} | started_by(child)
    return found


def still_running(pids: set[int]) -> set[int]:
    return {pid for pid in pids if state(pid) not in ("", "Z")}


def state(pid: int) -> str:
    """The letter that /proc has for it; empty when there is no such process."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def test_once_ends_after_the_transcript(folder, launch):
    assert launch(ONCE="1").wait(300) == 0, output(folder)
    text = output(folder)
    for part in ("Paris", "response headers:", "x-request-id", "usage record", '"cost_nano_usd"', "USD"):
        assert part in text
    assert not (folder / "dev.json").exists()


def test_it_stays_up_tells_what_is_there_and_ends_with_ctrl_c(folder, launch):
    process = launch()
    facts = facts_when_ready(folder, process)
    assert_facts(facts)
    assert (folder / "dev.json").stat().st_mode & 0o777 == 0o600
    second = launch_second(folder)
    assert second.returncode == 1 and "already up" in second.stderr
    pids = started_by(process.pid)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    assert not (folder / "dev.json").exists()
    assert still_running(pids) == set()


def test_its_own_death_takes_everything_along(folder, launch):
    process = launch()
    facts_when_ready(folder, process)
    pids = started_by(process.pid)
    assert len(still_running(pids)) > 7, "the control: the search sees the fleet"
    process.kill()
    process.wait()
    wait_until(lambda: not still_running(pids), "nothing is left", seconds=30)


def test_it_starts_again_after_that_and_says_which_child_died(folder, launch):
    process = launch()
    facts = facts_when_ready(folder, process)
    pids = started_by(process.pid)
    os.kill(facts["control_plane"]["pid"], signal.SIGKILL)
    assert process.wait(60) == 1
    assert "control-plane ended by SIGKILL" in output(folder)
    assert still_running(pids) == set()


def launch_second(folder):
    return subprocess.run(
        [LAUNCHER],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "STRAIT_DEV_FOLDER": str(folder)},
        timeout=60,
    )


def facts_when_ready(folder, process) -> dict:
    def facts():
        assert process.poll() is None, output(folder)
        file = folder / "dev.json"
        return file.exists() and json.loads(file.read_text())

    return wait_until(facts, "the fleet is up", seconds=300)


def assert_facts(facts: dict) -> None:
    assert facts["ready"] is True
    assert [edge["region"] for edge in facts["edges"]] == ["us-east", "eu-west", "ap-southeast"]
    for edge in facts["edges"]:
        assert edge["base_url"].startswith("https://127.0.0.1:") and edge["base_url"].endswith("/v1")
        assert edge["admin_url"] and pathlib.Path(f"/proc/{edge['pid']}").exists()
    assert set(facts["control_plane"]) >= {"admin_url", "grpc_address", "pid"}
    assert pathlib.Path(facts["ca_file"]).exists()
    assert facts["api_key"].startswith("sk-strait-")
    assert facts["database_url"].startswith("postgresql://")
    assert "gemma3-270m" in facts["models"]
