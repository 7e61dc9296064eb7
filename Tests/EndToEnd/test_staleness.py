"""A strict team is refused where the control plane has not been heard for too long. Nobody else notices."""

import os
import signal

import anthropic
import openai
import pytest
from devfleet.processes import wait_until
from edge_beside import metric, refusals
from scripted import scripts
from world import chat_request

LIMIT_SECONDS = 15
AGE = "strait_edge_control_plane_last_word_age_seconds"


@pytest.fixture(scope="module")
def strict_key(world):
    operator = world.fleet.control_plane.operator
    team = operator("team", "create", "strict", "--staleness-limit", f"{LIMIT_SECONDS}s")
    assert team["staleness_limit_seconds"] == LIMIT_SECONDS
    key = operator("key", "create", "--team", "strict")["key"]
    await_status(world.fleet.edges.values(), key, 200)
    yield key
    operator("team", "update", "strict", "--staleness-limit", "never")


@pytest.fixture
def control_plane(world):
    control_plane = world.fleet.control_plane
    yield control_plane
    if not control_plane.child.running:
        control_plane.start()


def await_status(edges, key, status) -> None:
    for edge in edges:
        wait_until(lambda edge=edge: edge.status_of_models(key)[0] == status, f"{edge.region} says {status}", seconds=90)


def test_a_strict_team_is_refused_in_its_dialect_while_others_are_served_until_the_control_plane_is_back(
    world, scripted, strict_key, control_plane
):
    edge = world.edge()
    assert metric(edge, AGE) < LIMIT_SECONDS
    with scripted.doing(scripts.endless()), world.http(key=strict_key) as client:
        with client.stream("POST", "/chat/completions", json=chat_request(stream=True)) as answer:
            pieces = answer.iter_raw()
            next(pieces)
            control_plane.child.stop()
            await_status([edge], strict_key, 503)
            # What had begun goes on.
            for _ in range(20):
                next(pieces)
    counted = refusals(edge, "stale_configuration")
    with pytest.raises(openai.InternalServerError) as refused:
        world.openai(key=strict_key).chat.completions.create(**chat_request("scripted"))
    assert refused.value.status_code == 503 and refused.value.response.headers["retry-after"] == "5"
    assert (refused.value.code, refused.value.type) == ("stale_configuration", "api_error")
    with pytest.raises(anthropic.InternalServerError) as refused:
        world.anthropic(key=strict_key).messages.create(**chat_request("scripted-claude"), max_tokens=9)
    assert refused.value.status_code == 503 and refused.value.body["error"]["type"] == "api_error"
    assert "control plane" in refused.value.body["error"]["message"]
    assert refusals(edge, "stale_configuration") == counted + 2
    assert metric(edge, AGE) > LIMIT_SECONDS
    assert metric(edge, "strait_edge_control_plane_connected") == 0
    for ordinary in world.fleet.edges.values():
        assert ordinary.status_of_models(world.key)[0] == 200 and ordinary.ready()

    # A start from disk is no word, however it ended.
    for kill in (False, True):
        edge.restart(kill=kill)
        assert edge.status_of_models(world.key)[0] == 200
        assert edge.status_of_models(strict_key)[0] == 503

    control_plane.start()
    await_status(world.fleet.edges.values(), strict_key, 200)
    assert metric(edge, AGE) < LIMIT_SECONDS


def test_a_control_plane_that_hangs_while_its_connections_stand_is_not_heard(world, strict_key, control_plane):
    edge = world.edge("eu-west")
    await_status([edge], strict_key, 200)
    os.kill(control_plane.child.pid, signal.SIGSTOP)
    try:
        await_status([edge], strict_key, 503)
        assert edge.status_of_models(world.key)[0] == 200
    finally:
        os.kill(control_plane.child.pid, signal.SIGCONT)
    await_status([edge], strict_key, 200)


def test_a_control_plane_without_its_database_does_not_know_what_is_newest(world, strict_key, control_plane):
    edge = world.edge("eu-west")
    await_status([edge], strict_key, 200)
    world.fleet.postgres.child.stop()
    try:
        await_status([edge], strict_key, 503)
        assert edge.status_of_models(world.key)[0] == 200
    finally:
        world.fleet.postgres.start()
    await_status([edge], strict_key, 200)


def test_the_limit_is_taken_away_again(world, strict_key, control_plane):
    changed = control_plane.operator("team", "update", "strict", "--staleness-limit", "never")
    assert "staleness_limit_seconds" not in changed
    newest = control_plane.operator("version", "list", "--limit", "1")[0]["version"]
    shown = control_plane.run_operator("version", "show", newest).stdout
    assert f"- staleness_limit_seconds: {LIMIT_SECONDS}" in shown
    control_plane.operator("team", "update", "strict", "--staleness-limit", f"{LIMIT_SECONDS}s")
    refused = control_plane.run_operator("team", "update", "strict", "--staleness-limit", "1s")
    assert refused.returncode != 0 and "from 15 to" in refused.stderr
