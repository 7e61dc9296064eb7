"""What edges refuse because it takes very much away: seen, tried again, and confirmed with the operator's command."""

from devfleet.processes import wait_until
from test_revocation_lane import of_the_fleet
from test_rollouts import judged, newest, settled
from world import World

# Fewer than a hundred keys that go are never too many for a configuration.
FEWEST = 150


def add_keys(world: World, team: str, count: int) -> None:
    """Beside the control plane, which makes them one by one; no edge is told."""
    world.fleet.postgres.query(
        f"""
        INSERT INTO keys (id, team_id, public_id, digest)
        SELECT gen_random_uuid(), teams.id, '{team}' || lpad(n::text, {12 - len(team)}, '0'), sha256(('{team}' || n)::bytea)
        FROM teams, generate_series(1, {count}) AS n WHERE name = '{team}';
        """
    )


def good_keys(world: World) -> int:
    rows = world.fleet.postgres.query(
        "SELECT count(*) FROM keys JOIN teams ON teams.id = team_id WHERE revoked_at IS NULL AND NOT suspended"
    )
    return int(rows[0][0])


def test_a_revocation_that_edges_refuse_halts_and_goes_on_when_it_is_confirmed(world):
    control_plane = world.fleet.control_plane
    operator, edges = control_plane.operator, world.fleet.edges.values()
    settled(world)
    count = max(FEWEST, good_keys(world))
    for team in ("mass", "hid"):
        operator("team", "create", team)
    made = operator("key", "create", "--team", "mass")
    settled(world)
    # Made while the team is suspended, so that all edges hear of them when it is resumed.
    operator("team", "suspend", "mass")
    add_keys(world, "mass", count)
    operator("team", "resume", "mass")
    settled(world)
    assert {edge.status_of_models(made["key"])[0] for edge in edges} == {200}
    # The control plane knows of so many more that those are no fifth for it; for edges they are half of all.
    add_keys(world, "hid", 10 * count)

    before = newest(world)
    result = operator("key", "revoke", "--team", "mass")
    assert result["revoked_keys"] == count + 1
    number = result["revocations"][0]["number"]

    def missing() -> list[dict]:
        listed = operator("revocation", "list")
        mine = next(one for one in listed if one.get("key_public_id") is None and one["team"] == "mass" and one["keys"])
        return of_the_fleet(world, mine["missing"])

    def all_refuse() -> bool:
        refusals = [one.get("refusal") or "" for one in missing()]
        return len(refusals) == len(edges) and all("nobody has confirmed" in words for words in refusals)

    wait_until(all_refuse, "every edge refuses it", seconds=60)
    halted = judged(world, before + 1)
    assert halted["state"] == "halted" and "keys would be gone at once" in halted["reason"]
    assert {edge.status_of_models(made["key"])[0] for edge in edges} == {200}
    examined = control_plane.run_operator("doctor").stdout
    assert f"strait rollout resume {halted['number']}" in examined
    assert f"strait revocation confirm {number}" in examined
    assert f"refused configuration {before + 1}" in examined
    shown = control_plane.run_operator("rollout", "show", halted["number"]).stdout
    assert "keys would be gone at once" in shown

    # To try again what nothing has changed about comes to the same.
    assert operator("rollout", "resume", halted["number"])["state"] == "superseded"
    again = judged(world, before + 2)
    assert again["state"] == "halted"
    assert control_plane.run_operator("rollout", "abort", again["number"]).returncode == 1

    operator("revocation", "confirm", number)
    for edge in edges:
        wait_until(lambda edge=edge: edge.status_of_models(made["key"])[0] == 401, "the key is refused")
    wait_until(lambda: not missing(), "it is in force everywhere", seconds=60)
    settled(world)
    assert operator("rollout", "list", "--limit", "1")[0]["state"] == "done"
    examined = control_plane.run_operator("doctor").stdout
    assert "strait rollout resume" not in examined and "strait revocation confirm" not in examined
    # Nothing is left that edges were never told of.
    operator("team", "suspend", "hid", "--confirm", 10 * count)
    settled(world)
