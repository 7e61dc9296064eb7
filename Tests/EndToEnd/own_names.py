"""An edge that finds names where a test says: in a hosts file, and at a name server, of the test's own."""

import contextlib
import shutil
import socket
import struct
import subprocess
import threading

A, SERVER = 1, "127.0.0.77"


def why_not() -> str | None:
    """Why this cannot be had here; None where it can."""
    if shutil.which("unshare") is None:
        return "unshare is not installed"
    made = subprocess.run(["unshare", "--mount", "true"], capture_output=True, text=True)
    return f"mount namespaces cannot be made here: {made.stderr.strip()}" if made.returncode else None


class OwnNames:
    def __init__(self, folder):
        self._hosts, self._resolver = folder / "hosts", folder / "resolv.conf"
        self.say()
        self._resolver.write_text(f"nameserver {SERVER}\noptions timeout:20 attempts:1\n")

    @property
    def prefix(self) -> list:
        """Starts a program that sees them, under the same process id."""
        script = 'mount --bind "$0" /etc/hosts && mount --bind "$1" /etc/resolv.conf && shift && exec "$@"'
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, self._hosts, self._resolver]

    def say(self, *lines: str) -> None:
        """In place: another file would not be the one that is mounted."""
        self._hosts.write_text("".join(line + "\n" for line in ("127.0.0.1 localhost", *lines)))


class NameServer:
    """Answers with the addresses of `names`. One that is in `held` is answered when it no longer is, if ever."""

    def __init__(self, names: dict[str, str], held: set[str]):
        self.names, self._held = names, held
        self.asked: dict[str, threading.Event] = {name: threading.Event() for name in (*names, *held)}
        self._late: list[tuple[str, bytes, tuple]] = []
        self._lock = threading.Lock()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((SERVER, 53))
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def release(self, name: str) -> None:
        with self._lock:
            self._held.discard(name)
            late, self._late = self._late, []
            for held, question, asker in late:
                if held == name:
                    self._answer(held, question, asker)
                else:
                    self._late.append((held, question, asker))

    def _serve(self) -> None:
        while True:
            try:
                question, asker = self._socket.recvfrom(4096)
            except OSError:
                return
            if not question:
                return
            labels, at = [], 12
            while size := question[at]:
                labels.append(question[at + 1 : at + 1 + size].decode())
                at += 1 + size
            name = ".".join(labels)
            with self._lock:
                if name in self._held:
                    self._late.append((name, question, asker))
                else:
                    self._answer(name, question, asker)
            if name in self.asked:
                self.asked[name].set()

    def _answer(self, name: str, question: bytes, asker) -> None:
        end = question.index(0, 12) + 5
        kind = struct.unpack_from(">H", question, end - 4)[0]
        address = self.names.get(name)
        has = address is not None and kind == A
        # The name's place in the question, A, IN, no time to live, four bytes.
        record = struct.pack(">HHHIH", 0xC00C, A, 1, 0, 4) + socket.inet_aton(address) if has else b""
        code = 0x8180 if address else 0x8183
        head = question[:2] + struct.pack(">HHHHH", code, 1, int(has), 0, 0)
        self._socket.sendto(head + question[12:end] + record, asker)
