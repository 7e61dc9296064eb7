"""An edge that was away while much was removed step by step doubts what it finds, until somebody confirms it."""

from devfleet.catalogue import Offer
from devfleet.processes import wait_until
from edge_beside import edge_beside, metric
from test_rollouts import settled
from world import INPUT_PRICE, OUTPUT_PRICE

VERSION = "strait_edge_configuration_version"
HEARD = "strait_edge_configuration_heard_version"


def doubts(edge) -> float:
    return metric(edge, "strait_edge_configuration_refusals_total", reason="doubtful")


def test_what_went_while_an_edge_was_away_is_refused_until_it_is_confirmed(world, tmp_path):
    control_plane, catalogue = world.fleet.control_plane, world.fleet.catalogue
    operator = control_plane.operator

    def newest() -> int:
        return operator("version", "list", "--limit", "1")[0]["version"]

    def add(names) -> None:
        catalogue.add_offers(
            [Offer(name, "scripted-http1", "openai", INPUT_PRICE, OUTPUT_PRICE) for name in names]
        )
        settled(world)

    settled(world)
    # More than a fifth of all offers together, and less in each step, however many other tests have left behind.
    count = max(12, len(operator("offer", "list")) * 35 // 100)
    none, names = newest(), [f"passing-{number}" for number in range(count)]
    add(names[: count // 2])
    half = newest()
    add(names[count // 2 :])
    with edge_beside(world, tmp_path) as edge:
        wait_until(lambda: set(names) <= set(edge.status_of_models(world.key)[1]), "the edge has them all")
        identity = next(one["id"] for one in operator("edge", "list") if one["base_url"] == edge.base_url)
        edge.child.stop()
        # In two steps, neither of which anybody doubts.
        operator("version", "rollback", half)
        settled(world)
        operator("version", "rollback", none)
        gone = newest()
        edges = [one for one in world.fleet.edges.values()]
        for other in edges:
            wait_until(lambda other=other: "passing-0" not in other.status_of_models(world.key)[1], "gone")

        edge.start()
        wait_until(lambda: doubts(edge) >= 2 and metric(edge, HEARD) >= gone, "the edge refuses what it finds")
        assert metric(edge, VERSION) < gone

        def refusal() -> str:
            return next(one.get("refusal") or "" for one in operator("edge", "list") if one["id"] == identity)

        wait_until(lambda: f"{count} of" in refusal(), "the refusal shows")
        assert "offers would be gone at once" in refusal()

        # Further versions do not make it less doubtful.
        before = doubts(edge)
        key = operator("key", "create", "--team", "tests")
        wait_until(lambda: doubts(edge) > before, "the edge refuses the next version too")
        assert "passing-0" in edge.status_of_models(world.key)[1]
        assert edge.status_of_models(key["key"])[0] == 401

        confirmed = operator("version", "confirm", gone)
        behind = {one["edge"]: one["offers"] for one in confirmed["edges"]}
        assert behind[identity] == count
        wait_until(lambda: metric(edge, VERSION) >= confirmed["version"], "the edge takes it")
        status, models = edge.status_of_models(key["key"])
        assert status == 200 and not set(names) & set(models)
        wait_until(lambda: refusal() == "", "nothing is refused any more")
    operator("key", "revoke", key["summary"]["public_id"])


def test_a_rollback_that_takes_much_away_goes_through_where_it_says_so(world):
    control_plane, catalogue = world.fleet.control_plane, world.fleet.catalogue
    operator = control_plane.operator
    settled(world)
    before = operator("version", "list", "--limit", "1")[0]["version"]
    names = [f"brief-{number}" for number in range(11)]
    catalogue.add_offers(
        [Offer(name, "scripted-http1", "openai", INPUT_PRICE, OUTPUT_PRICE) for name in names]
    )
    settled(world)
    wrong = control_plane.run_operator("version", "rollback", before, "--confirm", 3)
    assert wrong.returncode != 0 and "confirm 11" in wrong.stderr
    operator("version", "rollback", before, "--confirm", 11)
    settled(world)
    assert operator("rollout", "list")[0]["state"] == "done"
    for edge in world.fleet.edges.values():
        status, models = edge.status_of_models(world.key)
        assert status == 200 and not set(names) & set(models)
