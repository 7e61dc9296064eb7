"""`make run`: what it prints, what it leaves in dev.json, and that it takes everything with it when it
ends."""

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


def launch(folder, **environment) -> subprocess.Popen:
    output = open(folder / "output.txt", "w+b")
    return subprocess.Popen(
        [LAUNCHER],
        stdout=output,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "STRAIT_DEV_FOLDER": str(folder), **environment},
    )


def output(folder) -> str:
    return (folder / "output.txt").read_text()


def processes_of(folder) -> list[str]:
    """Command lines of whatever still runs out of the folder or with its files."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if str(folder) in command:
            found.append(command)
    return found


def test_once_ends_after_the_transcript(folder):
    assert launch(folder, ONCE="1").wait(300) == 0, output(folder)
    text = output(folder)
    for part in ("Paris", "response headers:", "x-request-id", "usage record", '"cost_nano_usd"', "USD"):
        assert part in text
    assert not (folder / "dev.json").exists()
    assert processes_of(folder) == []


def test_it_stays_up_tells_what_is_there_and_ends_with_ctrl_c(folder):
    process = launch(folder)
    facts = facts_when_ready(folder, process)
    assert_facts(facts)
    assert (folder / "dev.json").stat().st_mode & 0o777 == 0o600
    second = launch_second(folder)
    assert second.returncode == 1 and "already up" in second.stderr
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    assert not (folder / "dev.json").exists()
    wait_until(lambda: processes_of(folder) == [], "nothing is left", seconds=10)


def test_its_own_death_takes_everything_along(folder):
    process = launch(folder)
    facts_when_ready(folder, process)
    assert len(processes_of(folder)) > 4, "the control: the search sees the fleet"
    process.kill()
    process.wait()
    wait_until(lambda: processes_of(folder) == [], "nothing is left", seconds=30)


def test_it_starts_again_after_that_and_says_which_child_died(folder):
    process = launch(folder)
    facts = facts_when_ready(folder, process)
    os.kill(facts["control_plane"]["pid"], signal.SIGKILL)
    assert process.wait(60) == 1
    assert "control-plane ended by SIGKILL" in output(folder)
    wait_until(lambda: processes_of(folder) == [], "nothing is left", seconds=10)


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
