"""The fuzz targets: their seeds, and runs of each."""

import ctypes
import dataclasses
import os
import pathlib
import re
import subprocess

from devfleet.workplace import REPOSITORY, WORK, FleetError

from .program import PROGRAM

SEEDS = REPOSITORY / "Tests" / "Fuzz" / "Seeds"
FOUND = WORK / "fuzz"
"""What long runs leave: for each target the inputs that reached something new, and those that broke a rule."""
LONGEST_INPUT = 4096
SECONDS_FOR_ONE_INPUT = 20
ESCAPE = re.compile(rb"\\(?:([nrt\\])|x([0-9a-f]{2}))")
PLAIN = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"\\": b"\\"}


@dataclasses.dataclass(frozen=True)
class Target:
    name: str

    @property
    def corpus(self) -> pathlib.Path:
        return FOUND / self.name / "corpus"

    @property
    def faults(self) -> pathlib.Path:
        return FOUND / self.name / "faults"

    def seeds(self) -> list[bytes]:
        """One input a line, with the escapes \\\\ \\n \\r \\t \\xNN; everything else stands for itself."""
        lines = (SEEDS / f"{self.name}.txt").read_bytes().splitlines()
        return [ESCAPE.sub(_unescaped, line) for line in lines if line and not line.startswith(b"#")]

    def write_seeds(self, folder: pathlib.Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(self.seeds()):
            (folder / f"seed-{number:02}").write_bytes(seed)

    def search(self, corpus: pathlib.Path, *options: str, planted_fault: bool = False) -> subprocess.CompletedProcess:
        """One run of the fuzzer. What breaks a rule is kept below the target's name, planted faults excepted."""
        self.faults.mkdir(parents=True, exist_ok=True)
        prefix = corpus.parent if planted_fault else self.faults
        return self._run(
            f"-artifact_prefix={prefix}/",
            f"-dict={SEEDS / self.name}.dict",
            f"-max_len={LONGEST_INPUT}",
            f"-timeout={SECONDS_FOR_ONE_INPUT}",
            "-len_control=0",
            "-reload=0",
            *options,
            str(corpus),
            planted_fault=planted_fault,
        )

    def reproduce(self, files: list[str]) -> int:
        return self._run(*files, capture=False).returncode

    def _run(self, *arguments: str, planted_fault: bool = False, capture: bool = True) -> subprocess.CompletedProcess:
        environment = {
            **os.environ,
            # The crash reporter of Swift can hang for minutes on a program with sanitizers.
            "SWIFT_BACKTRACE": "enable=no",
            "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",
            "SWIFT_DETERMINISTIC_HASHING": "1",
            "STRAIT_FUZZ_TARGET": self.name,
        }
        if planted_fault:
            environment["STRAIT_FUZZ_PLANTED_FAULT"] = "1"
        output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT} if capture else {}
        return subprocess.run(
            [PROGRAM, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            preexec_fn=_keep_addresses,
            **output,
        )


def _keep_addresses() -> None:
    """The fuzzer mutates with what it sees compared, pointers among it: the same seed is the same search only where they
    are the same. A kernel that forbids this costs that and nothing else."""
    address_no_randomize = 0x0040000
    ctypes.CDLL(None).personality(address_no_randomize)


def _unescaped(escape: re.Match) -> bytes:
    letter, digits = escape.groups()
    return PLAIN[letter] if letter else bytes.fromhex(digits.decode())


TARGETS = [Target(file.stem) for file in sorted(SEEDS.glob("*.txt"))]


def named(name: str) -> Target:
    for target in TARGETS:
        if target.name == name:
            return target
    raise FleetError(f"no fuzz target is called {name}; there are: {' '.join(target.name for target in TARGETS)}")


def told(run: subprocess.CompletedProcess) -> str:
    """What a run that found something says of it, without the fuzzer's own account of itself."""
    lines = run.stdout.splitlines()
    start = next((n for n, line in enumerate(lines) if line.startswith(("broken rule", "==", "Fatal", "ALARM"))), -30)
    kept = [line for line in lines[start:] if not line.startswith(("#", "INFO", "NOTE")) and line.strip()]
    return "\n".join(kept[:40])
