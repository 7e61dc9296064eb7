"""The database is put back from a backup, with a new lineage, as infra/runbooks/outage.md has it."""

import os
import subprocess

from devfleet import postgres
from devfleet.processes import wait_until
from edge_beside import metric
from test_rollouts import newest, settled
from world import World, chat_request


def with_database(world: World, program: str, *arguments) -> None:
    password = world.fleet.postgres.url.partition("strait:")[2].partition("@")[0]
    address = f"host=127.0.0.1 port={world.fleet.postgres.port} user=strait dbname=strait"
    subprocess.run(
        [postgres.binary(program), "-d", address, *map(str, arguments)],
        check=True,
        env={**os.environ, "PGPASSWORD": password},
    )


def losses(world: World) -> list[list[str]]:
    return world.fleet.postgres.query("SELECT edge_id, epoch, first_sequence FROM usage_losses ORDER BY 1, 2, 3")


def exchange(world: World) -> str:
    with world.http() as client:
        answer = client.post("/chat/completions", json=chat_request())
    assert answer.status_code == 200
    return answer.headers["x-request-id"]


def test_edges_follow_a_database_that_was_put_back(world, scripted, tmp_path):
    control_plane, edges = world.fleet.control_plane, world.fleet.edges.values()
    operator = control_plane.operator
    settled(world)
    kept, public_id = world.new_key()
    early = exchange(world)
    world.record(early)
    backup = tmp_path / "backup"
    with_database(world, "pg_dump", "--format=custom", f"--file={backup}")
    standing, before = newest(world), losses(world)

    lost, _ = world.new_key()
    operator("key", "revoke", public_id, "--wait")
    assert {edge.status_of_models(kept)[0] for edge in edges} == {401}
    shipped = exchange(world)
    world.record(shipped)
    control_plane.child.stop()
    waiting = exchange(world)

    world.fleet.postgres.query("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    with_database(world, "pg_restore", "--single-transaction", backup)
    world.fleet.postgres.query("UPDATE installation SET lineage = gen_random_uuid()")
    control_plane.start()
    for edge in edges:
        wait_until(
            lambda edge=edge: metric(edge, "strait_edge_configuration_version") <= standing,
            "the edge runs what the backup has",
            seconds=60,
        )
    settled(world)
    for edge in edges:
        assert edge.status_of_models(world.key)[0] == 200
        # Keys made since are lost, and so are revocations.
        assert edge.status_of_models(lost)[0] == 401
        assert edge.status_of_models(kept)[0] == 200
    operator("key", "revoke", public_id, "--wait")
    assert {edge.status_of_models(kept)[0] for edge in edges} == {401}
    key, _ = world.new_key()
    assert {edge.status_of_models(key)[0] for edge in edges} == {200}
    # Each is there once: from the backup, shipped since and kept in the spool, waiting there, and new.
    for request in (early, shipped, waiting, exchange(world)):
        world.record(request)
    assert losses(world) == before
