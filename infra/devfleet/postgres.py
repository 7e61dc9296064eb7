"""A private PostgreSQL cluster: made once, owned by the account `postgres` where we are root, on loopback
only."""

import os
import pathlib
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile

from .processes import Child, wait_until
from .workplace import FleetError, write_private

# Statements carry names and prices, never content; their parameters stay out of the log all the same.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "shared_buffers": "64MB",
    "max_connections": "60",
}


class PrivatePostgres:
    def __init__(self, work: pathlib.Path, port: int, log: pathlib.Path):
        """`work` remembers where the cluster is and holds its password."""
        self.port = port
        self.fresh = False
        """Whether this start made the cluster, so that nothing from before can refer to it."""
        self.child = None
        self._log = log
        self._work = work
        self._account = "postgres" if os.geteuid() == 0 else None
        self._password_file = work / "postgresql-password"
        self.folder = self._find_or_make_folder()

    @property
    def url(self) -> str:
        return f"postgresql://strait:{self._password()}@127.0.0.1:{self.port}/strait"

    def start(self) -> None:
        self._end_leftover()
        # The mark is set last, so that a first start that was broken off begins again.
        complete = self.folder / "complete"
        self.fresh = not complete.exists()
        if self.fresh:
            self._initialise()
        options = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
        # Interrupted, PostgreSQL ends its sessions and shuts down in good order; told to terminate, it would
        # wait for the sessions to end by themselves.
        self.child = Child(
            "PostgreSQL",
            [binary("postgres"), "-D", self.folder / "data", "-p", self.port, *options],
            self._log,
            environment={"LC_ALL": "C.UTF-8"},
            user=self._account,
            stop_signal=signal.SIGINT,
            death_signal=signal.SIGINT,
        )
        wait_until(self._answers, "PostgreSQL answers", children=[self.child])
        if self.fresh:
            self._create_database()
            complete.touch()

    def query(self, statement: str) -> list[list[str]]:
        """Rows of a statement's result, as text, asked with psql as the control plane's own role."""
        result = subprocess.run(
            [
                binary("psql"),
                "-X",
                "-q",
                "-A",
                "-t",
                "-F",
                "\t",
                "-v",
                "ON_ERROR_STOP=1",
                "-f",
                "-",
                f"host=127.0.0.1 port={self.port} user=strait dbname=strait",
            ],
            input=statement,
            capture_output=True,
            text=True,
            env={**os.environ, "PGPASSWORD": self._password()},
        )
        if result.returncode != 0:
            raise FleetError(f"psql: {result.stderr.strip()}")
        return [line.split("\t") for line in result.stdout.splitlines()]

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    # MARK: the cluster's place

    def _find_or_make_folder(self) -> pathlib.Path:
        """In the work folder where PostgreSQL's account can get there, else below the temporary folder."""
        note = self._work / "postgresql-folder"
        if (
            note.exists()
            and (folder := pathlib.Path(note.read_text().strip())).exists()
            and self._reaches(folder)
        ):
            return folder
        folder = self._work / "postgresql"
        folder.mkdir(parents=True, exist_ok=True)
        self._give(folder)
        if not self._reaches(folder):
            folder.rmdir()
            folder = pathlib.Path(tempfile.mkdtemp(prefix="strait-postgresql-"))
            self._give(folder)
            if not self._reaches(folder):
                raise FleetError(
                    f"the account postgres cannot enter {folder}; next: set TMPDIR to a folder it can"
                )
        write_private(note, f"{folder}\n")
        return folder

    def _give(self, path: pathlib.Path, mode=0o700) -> None:
        path.chmod(mode)
        if self._account:
            account = pwd.getpwnam(self._account)
            os.chown(path, account.pw_uid, account.pw_gid)

    def _reaches(self, folder: pathlib.Path) -> bool:
        return self._run("test", "-w", str(folder)).returncode == 0

    def _run(self, *command) -> subprocess.CompletedProcess:
        account = (
            {} if not self._account else {"user": self._account, "group": self._account, "extra_groups": []}
        )
        return subprocess.run(
            [str(part) for part in command],
            capture_output=True,
            text=True,
            cwd="/",
            env={**os.environ, "LC_ALL": "C.UTF-8"},
            **account,
        )

    # MARK: the first start

    def _initialise(self) -> None:
        data = self.folder / "data"
        shutil.rmtree(data, ignore_errors=True)
        write_private(self._password_file, secrets.token_urlsafe(24))
        password = self.folder / "initial-password"
        write_private(password, self._password())
        self._give(password, 0o600)
        result = self._run(
            binary("initdb"),
            "-D",
            data,
            "-U",
            "postgres",
            "-A",
            "scram-sha-256",
            f"--pwfile={password}",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-instructions",
        )
        password.unlink()
        if result.returncode != 0:
            shutil.rmtree(data, ignore_errors=True)
            raise FleetError(f"initdb failed: {result.stderr.strip()}")

    def _create_database(self) -> None:
        """The control plane works as an ordinary role that owns one database."""
        statements = (
            f"CREATE ROLE strait LOGIN PASSWORD '{self._password()}';\nCREATE DATABASE strait OWNER strait;\n"
        )
        result = subprocess.run(
            [
                binary("psql"),
                "-X",
                "-q",
                "-v",
                "ON_ERROR_STOP=1",
                "-f",
                "-",
                f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres",
            ],
            input=statements,
            capture_output=True,
            text=True,
            env={**os.environ, "PGPASSWORD": self._password()},
        )
        if result.returncode != 0:
            raise FleetError(f"PostgreSQL refused to make the database: {result.stderr.strip()}")

    def _password(self) -> str:
        return self._password_file.read_text().strip()

    def _answers(self) -> bool:
        check = [binary("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(check).returncode == 0

    # MARK: what a crashed run left behind

    def _end_leftover(self) -> None:
        """Ends a server that an earlier run could not end. PostgreSQL itself copes with a stale
        postmaster.pid."""
        lock = self.folder / "data" / "postmaster.pid"
        if not lock.exists():
            return
        first = lock.read_text().splitlines()[:1]
        if not first or not first[0].isdigit() or not _is_server_of(int(first[0]), self.folder):
            return
        os.kill(int(first[0]), signal.SIGINT)
        wait_until(lambda: not _is_server_of(int(first[0]), self.folder), "an earlier PostgreSQL to end")


def _is_server_of(pid: int, folder: pathlib.Path) -> bool:
    try:
        command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except FileNotFoundError:
        return False
    return str(folder / "data") in command


def binary(name: str) -> str:
    folders = sorted(
        pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name)
    )
    for folder in reversed(folders):
        if float(folder.parent.name) >= 15 and (folder / name).exists():
            return str(folder / name)
    raise FleetError("PostgreSQL 15 or newer is not installed; next: infra/setup run")
