"""Children that never outlive us: each in a process group of its own, with its log, ended in order.

A child dies with the process that started it, even when that one is killed with SIGKILL: the kernel delivers
the signal named by PR_SET_PDEATHSIG. It must be asked for after any change of user, which clears it;
subprocess changes the user before it calls preexec_fn.
"""

import ctypes
import os
import pathlib
import signal
import subprocess
import time

from .workplace import FleetError

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class Child:
    """One running program."""

    def __init__(
        self,
        name,
        command,
        log,
        *,
        environment=None,
        user=None,
        stop_signal=signal.SIGTERM,
        death_signal=signal.SIGKILL,
    ):
        self.name = name
        self.command = [str(part) for part in command]
        self.log = pathlib.Path(log)
        self.stop_signal = stop_signal
        self.log.parent.mkdir(parents=True, exist_ok=True)
        parent = os.getpid()

        def die_with_parent():
            _libc.prctl(PR_SET_PDEATHSIG, int(death_signal))
            if os.getppid() != parent:
                os._exit(1)

        account = {} if user is None else {"user": user, "group": user, "extra_groups": []}
        with open(self.log, "ab") as output:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={**os.environ, "SWIFT_BACKTRACE": "enable=no", **(environment or {})},
                process_group=0,
                preexec_fn=die_with_parent,
                **account,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def last_lines(self, count=15) -> str:
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(f"    {line}" for line in text.splitlines()[-count:]) or "    (nothing)"

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        if self.running:
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self, seconds=10.0) -> int:
        """Asks it to end, waits, and uses force when it does not. Returns its exit status."""
        if self.running:
            self.process.send_signal(self.stop_signal)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return self.process.returncode

    def exit_text(self) -> str:
        status = self.process.returncode
        if status is None:
            return "is running"
        return f"exited with status {status}" if status >= 0 else f"ended by {signal.Signals(-status).name}"


def wait_until(condition, what, *, seconds=60.0, every=0.02, children=()):
    """Polls until `condition()` is true and returns its value. Fails at once when one of `children` ends
    meanwhile.

    The ceiling is generous: it is there to end a hopeless wait, never to measure speed.
    """
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        for child in children:
            if not child.running:
                raise FleetError(
                    f"{child.name} {child.exit_text()} before {what}; its last lines:\n{child.last_lines()}"
                )
        if time.monotonic() > deadline:
            logs = "".join(f"\n{child.name}:\n{child.last_lines()}" for child in children)
            raise FleetError(f"waited {seconds:.0f} s in vain for {what}{logs}")
        time.sleep(every)
