"""A control plane with its database for simulated edges, and an operator who speaks to its admin API."""

import asyncio
import http.client
import json
import pathlib
import secrets
import shutil
import ssl
import tempfile

from devfleet.fleet import Fleet
from rig import account

from .edges import SimulatedEdge, enrol

TEAM = "simulated"
REGIONS = ("us-east", "us-west", "eu-west", "ap-southeast")


class Centre:
    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="strait-control-"))
        self.fleet = Fleet(self.folder, regions=())
        self.control_plane = self.fleet.control_plane

    def __enter__(self) -> "Centre":
        self.fleet.start_database()
        self.control_plane.start()
        self.fleet.catalogue.apply_regions()
        self.fleet.catalogue.ensure_team(TEAM)
        self.operator = Operator(self.control_plane, self.fleet.ca_file)
        return self

    def __exit__(self, *_) -> None:
        self.fleet.stop()
        self.fleet.postgres.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def resident_bytes(self) -> int:
        return account.resident_bytes(self.control_plane.child.pid)

    async def edges(self, count: int, link: str) -> list[SimulatedEdge]:
        """So many, of all regions in turn, which follow at `link`."""
        authority = self.control_plane.authority_file.read_bytes()
        address = self.control_plane.enrolment_address
        limit = asyncio.Semaphore(16)

        async def one(index: int) -> SimulatedEdge:
            async with limit:
                token = await asyncio.to_thread(self.operator.join_token, REGIONS[index % len(REGIONS)])
                return await enrol(address, link, authority, token)

        return await asyncio.gather(*(one(index) for index in range(count)))

    def add_keys(self, count: int, teams: int) -> None:
        """Straight into the tables: what is measured is what becomes of them."""
        self.fleet.postgres.query(
            f"""
            INSERT INTO teams (id, account_id, name)
            SELECT gen_random_uuid(), account_id, 'bulk-' || number
            FROM (SELECT account_id FROM teams WHERE name = '{TEAM}') AS known, generate_series(1, {teams}) AS number;
            WITH numbered AS (
              SELECT id, row_number() OVER (ORDER BY id) - 1 AS number FROM teams WHERE name LIKE 'bulk-%'
            )
            INSERT INTO keys (id, team_id, public_id, digest)
            SELECT gen_random_uuid(), numbered.id, 'b' || lpad(to_hex(key), 11, '0'),
              sha256(convert_to('{secrets.token_hex(8)}' || key, 'UTF8'))
            FROM generate_series(1, {count}) AS key JOIN numbered ON numbered.number = key % {teams};
            """
        )
        # A version of its own, so that no edge believes that it has them.
        self.operator.create_key()

    def committed(self) -> int:
        """Transactions of the database so far."""
        rows = self.fleet.postgres.query(
            "SELECT pg_stat_clear_snapshot(); SELECT xact_commit FROM pg_stat_database WHERE datname = 'strait'"
        )
        return int(rows[-1][0])


class Operator:
    """One kept connection, so that a trial is a request and not a process. One call at a time."""

    def __init__(self, control_plane, authority: pathlib.Path):
        host = control_plane.admin_url.removeprefix("https://")
        context = ssl.create_default_context(cafile=str(authority))
        self._token = control_plane.operator_token_file.read_text().strip()
        self._connect = lambda: http.client.HTTPSConnection(host, context=context, timeout=60)
        self._connection = self._connect()

    def join_token(self, region: str) -> str:
        return self.call("POST", "join-tokens", {"region": region}, connection=self._connect())["token"]

    def create_key(self) -> dict:
        return self.call("POST", "keys", {"team": TEAM})

    def revoke_key(self, public_id: str) -> None:
        self.call("DELETE", f"keys/{public_id}")

    def call(self, method: str, path: str, body=None, *, connection=None):
        connection = connection or self._connection
        headers = {"authorization": f"Bearer {self._token}", "content-type": "application/json"}
        text = None if body is None else json.dumps(body)
        connection.request(method, f"/admin/v1/{path}", text, headers)
        answer = connection.getresponse()
        content = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {content[:300]}")
        return json.loads(content)
