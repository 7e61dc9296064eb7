"""A team that is resumed brings all its keys back at once, however many: no edge takes that for a mistake."""

from devfleet.processes import wait_until
from edge_beside import metric

KEYS = 12_000


def doubts(edge) -> float:
    return metric(edge, "strait_edge_configuration_refusals_total", reason="doubtful")


def test_a_team_with_more_than_ten_thousand_keys_comes_back(world):
    operator, edges = world.fleet.control_plane.operator, world.fleet.edges.values()
    operator("team", "create", "crowd")
    made = operator("key", "create", "--team", "crowd")

    def answered(status: int) -> None:
        for edge in edges:
            wait_until(lambda edge=edge: edge.status_of_models(made["key"])[0] == status, f"{status} everywhere")

    answered(200)
    operator("team", "suspend", "crowd")
    answered(401)
    # Made while the team is suspended, when no edge is told of them.
    world.fleet.postgres.query(
        f"""
        INSERT INTO keys (id, team_id, public_id, digest)
        SELECT gen_random_uuid(), teams.id, 'crowd' || lpad(n::text, 7, '0'), sha256(('crowd' || n)::bytea)
        FROM teams, generate_series(1, {KEYS}) AS n WHERE name = 'crowd';
        """
    )
    before = {edge: doubts(edge) for edge in edges}
    operator("team", "resume", "crowd")
    resumed = operator("version", "list", "--limit", "1")[0]["version"]
    answered(200)
    for edge in edges:
        assert metric(edge, "strait_edge_configuration_version") >= resumed and doubts(edge) == before[edge]
    running = [row for row in operator("edge", "list") if row["connected"]]
    assert not [row["refusal"] for row in running if row.get("refusal")]
    # So many at once have to be confirmed, and then go everywhere.
    refused = world.fleet.control_plane.run_operator("team", "suspend", "crowd")
    assert refused.returncode != 0 and f"{KEYS + 1}" in refused.stderr
    operator("team", "suspend", "crowd", "--confirm", KEYS + 1)
    answered(401)
    gone = operator("version", "list", "--limit", "1")[0]["version"]
    for edge in edges:
        wait_until(
            lambda edge=edge: metric(edge, "strait_edge_configuration_version") >= gone, "it has them no more"
        )
        assert doubts(edge) == before[edge]
