"""What the kernel says of a process, its threads and its children: CPU time, resident memory, descriptors."""

import contextlib
import os
import pathlib


def cpu_nanoseconds(pid: int) -> int:
    """The scheduler's own account, to the nanosecond."""
    return _scheduled(pid, 0)


def waiting_nanoseconds(pid: int) -> int:
    """How long its threads wanted to run while others did."""
    return _scheduled(pid, 1)


def _scheduled(pid: int, column: int) -> int:
    return sum(
        int((thread / "schedstat").read_text().split()[column])
        for process in family(pid)
        for thread in pathlib.Path(f"/proc/{process}/task").iterdir()
    )


def resident_bytes(pid: int) -> int:
    return sum(_status_kilobytes(process, "VmRSS") for process in family(pid)) * 1024


def descriptors(pid: int) -> int:
    return sum(len(os.listdir(f"/proc/{process}/fd")) for process in family(pid))


def family(pid: int) -> list[int]:
    """The process and those that it started, and those that they did."""
    children = [
        int(child)
        for thread in pathlib.Path(f"/proc/{pid}/task").iterdir()
        for child in (thread / "children").read_text().split()
    ]
    return [pid, *(member for child in children for member in family(child))]


def pin(pid: int, core: int) -> None:
    """Every thread that the process has now, and by inheritance those to come."""
    for process in family(pid):
        # What a database starts for a moment may be gone again.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for thread in pathlib.Path(f"/proc/{process}/task").iterdir():
                os.sched_setaffinity(int(thread.name), {core})


@contextlib.contextmanager
def kernel_threads_on(core: int):
    """The kernel's threads that may be moved run there meanwhile: what reclaims memory takes milliseconds at a time."""
    moved = {}
    for process in map(int, filter(str.isdigit, os.listdir("/proc"))):
        with contextlib.suppress(OSError):
            if _is_kernel_thread(process):
                before = os.sched_getaffinity(process)
                os.sched_setaffinity(process, {core})
                moved[process] = before
    try:
        yield
    finally:
        for process, before in moved.items():
            with contextlib.suppress(OSError):
                os.sched_setaffinity(process, before)


def _is_kernel_thread(pid: int) -> bool:
    flags = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[6])
    return bool(flags & 0x00200000)


def listens(port: int) -> bool:
    """Whether a socket listens there, without connecting to it."""
    lines = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A" for line in lines)


def _status_kilobytes(pid: int, name: str) -> int:
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    return 0
