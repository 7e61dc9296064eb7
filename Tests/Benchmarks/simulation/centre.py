"""A control plane with its database for simulated edges and a real one, and an operator who speaks to its admin API."""

import asyncio
import contextlib
import http.client
import json
import pathlib
import queue
import secrets
import shutil
import ssl
import tempfile
import time

from devfleet.catalogue import Offer, Upstream
from devfleet.fleet import Fleet
from devfleet.ports import free_port
from rig import account

from .edges import SimulatedEdge, enrol

TEAM = "simulated"
REGIONS = ("us-east", "us-west", "eu-west", "ap-southeast")
REAL_EDGE_REGION = "us-east"
MODEL = "bench"
LIMITS = {
    "connections": 20_000,
    "connections_per_address": 20_000,
    "new_connections_per_address_per_second": 100_000,
}
ENROLMENTS_AT_ONCE = 16
REST_SECONDS = 3


class Centre:
    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="strait-control-"))
        edge = {REAL_EDGE_REGION: {"workers": 1, "limits": LIMITS}}
        self.fleet = Fleet(self.folder, regions=(REAL_EDGE_REGION,), edge_settings=edge)
        self.control_plane = self.fleet.control_plane
        self.edge = self.fleet.edges[REAL_EDGE_REGION]
        """A real one, which is not started."""
        self.upstream_port = free_port()

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
        limit = asyncio.Semaphore(ENROLMENTS_AT_ONCE)

        async def one(index: int) -> SimulatedEdge:
            async with limit:
                token = await asyncio.to_thread(self.operator.join_token, REGIONS[index % len(REGIONS)])
                return await enrol(address, link, authority, token)

        return await asyncio.gather(*(one(index) for index in range(count)))

    def offer(self, upstream_url: str) -> str:
        """A model of an upstream, for a real edge. Returns a key for it."""
        catalogue = self.fleet.catalogue
        catalogue.add_upstreams([Upstream(MODEL, REAL_EDGE_REGION, upstream_url, "http2")])
        catalogue.add_offers([Offer(MODEL, MODEL, "openai", "0.15", "0.60")])
        return catalogue.ensure_key(TEAM, self.folder / "bench-key.txt")

    # MARK: straight into the tables: what is measured is what becomes of it

    def add_keys(self, count: int, teams: int) -> None:
        """Keys and teams that were there before all edges; nobody is told."""
        self.fleet.postgres.query(
            f"""
            INSERT INTO teams (id, account_id, name)
            SELECT gen_random_uuid(), account_id, 'bulk-' || number
            FROM (SELECT account_id FROM teams WHERE name = '{TEAM}') AS known, generate_series(1, {teams}) AS number;
            WITH numbered AS (
              SELECT id, row_number() OVER (ORDER BY id) - 1 AS number FROM teams WHERE name LIKE 'bulk-%'
            )
            {_new_keys(count)} JOIN numbered ON numbered.number = key % {teams};
            ANALYZE keys, teams;
            """
        )
        # A version of its own, so that no edge believes that it has them.
        self.operator.create_key()

    def add_spare_keys(self, count: int) -> list[dict]:
        """Keys of one team, to be revoked; nobody is told of them."""
        rows = self.fleet.postgres.query(
            f"WITH numbered AS (SELECT id FROM teams WHERE name = '{TEAM}') "
            f"{_new_keys(count)} CROSS JOIN numbered RETURNING id, public_id"
        )
        return [{"id": row[0], "public_id": row[1]} for row in rows]

    def change_keys(self, count: int) -> None:
        """A version with so many new keys, which goes out together with the next one: an operator makes one now."""
        self.fleet.postgres.query(
            f"""
            BEGIN;
            UPDATE configuration_state SET version = version + 1;
            INSERT INTO configuration_versions (version, pace) SELECT version, 'quick' FROM configuration_state;
            WITH numbered AS (SELECT id FROM teams WHERE name = '{TEAM}'), made AS (
              {_new_keys(count)} CROSS JOIN numbered RETURNING id
            )
            INSERT INTO configuration_changes (version, kind, resource)
            SELECT version, 'key', made.id::text FROM configuration_state, made;
            COMMIT;
            """
        )
        self.operator.create_key()

    # MARK: what the database knows

    def connected_edges(self) -> int:
        """As the control plane counts them; where it could not write down that an edge left, its silence says so."""
        return self._number(
            "SELECT count(*) FROM edges "
            "WHERE stream_id IS NOT NULL AND last_seen_at > now() - interval '20 seconds'"
        )

    def newest_version(self) -> int:
        return self._number("SELECT version FROM configuration_state")

    def committed(self) -> int:
        """Transactions of the database so far."""
        return self._number(
            "SELECT pg_stat_clear_snapshot(); SELECT xact_commit FROM pg_stat_database WHERE datname = 'strait'"
        )

    def _number(self, statement: str) -> int:
        return int(self.fleet.postgres.query(statement)[-1][0])


def _new_keys(count: int) -> str:
    """The beginning of a statement, which goes on with the table that says `numbered.id`, the team's."""
    mark = secrets.token_hex(3)
    return f"""
        INSERT INTO keys (id, team_id, public_id, digest)
        SELECT gen_random_uuid(), numbered.id, '{mark}' || lpad(to_hex(key), 6, '0'),
          sha256(convert_to('{secrets.token_hex(8)}' || key, 'UTF8'))
        FROM generate_series(1, {count}) AS key
        """


class Operator:
    """Kept connections, so that a trial is a request and not a process."""

    def __init__(self, control_plane, authority: pathlib.Path):
        host = control_plane.admin_url.removeprefix("https://")
        context = ssl.create_default_context(cafile=str(authority))
        self._token_file = control_plane.operator_token_file
        self._connect = lambda: http.client.HTTPSConnection(host, context=context, timeout=60)
        self._idle: queue.LifoQueue = queue.LifoQueue()

    def join_token(self, region: str) -> str:
        return self.call("POST", "join-tokens", {"region": region})["token"]

    def create_key(self) -> dict:
        return self.call("POST", "keys", {"team": TEAM})

    def revoke_key(self, public_id: str) -> None:
        self.call("DELETE", f"keys/{public_id}")

    def call(self, method: str, path: str, body=None):
        with self._connection() as connection:
            headers = {
                "authorization": f"Bearer {self._token_file.read_text().strip()}",
                "content-type": "application/json",
            }
            text = None if body is None else json.dumps(body)
            connection.request(method, f"/admin/v1/{path}", text, headers)
            answer = connection.getresponse()
            content = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {content[:300]}")
        return json.loads(content)

    @contextlib.contextmanager
    def _connection(self):
        """One that is free and was used just now: the control plane ends those that rest. One that failed is not used
        again."""
        while True:
            try:
                connection, used_at = self._idle.get_nowait()
            except queue.Empty:
                connection = self._connect()
                break
            if time.monotonic() - used_at < REST_SECONDS:
                break
            connection.close()
        yield connection
        self._idle.put((connection, time.monotonic()))
