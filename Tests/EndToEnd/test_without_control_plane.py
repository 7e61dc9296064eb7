"""The control plane can be away: nobody notices, and every record arrives after its return, once."""

import asyncio

import pytest
from devfleet.processes import wait_until
from scripted import scripts
from world import chat_request


@pytest.fixture
def no_control_plane(world):
    world.fleet.control_plane.child.stop()
    yield
    if not world.fleet.control_plane.child.running:
        world.fleet.control_plane.start()


def ask(world, region="us-east", model="scripted") -> str:
    raw = world.openai(region).chat.completions.with_raw_response.create(**chat_request(model))
    assert raw.parse().choices[0].message.content
    return raw.headers["x-request-id"]


def test_requests_go_on_and_their_records_arrive_once(world, scripted, no_control_plane):
    made = [ask(world, region) for region in world.fleet.edges for _ in range(5)]
    world.fleet.control_plane.start()
    for request_id in made:
        assert world.record(request_id)["cost_nano_usd"] == 97_500


def test_an_edge_that_is_restarted_meanwhile_serves_from_its_snapshot(world, scripted, no_control_plane):
    before = ask(world, "eu-west")
    world.edge("eu-west").restart()
    after = ask(world, "eu-west")
    world.edge("eu-west").restart(kill=True)
    last = ask(world, "eu-west")
    assert world.edge("eu-west").status_of_models("sk-strait-unknown")[0] == 401
    world.fleet.control_plane.start()
    for request_id in (before, after, last):
        world.record(request_id)


def test_a_stream_that_spans_the_stop_of_the_control_plane(world, scripted):
    async def stop_control_plane(exchange):
        if world.fleet.control_plane.child.running:
            await asyncio.to_thread(world.fleet.control_plane.child.kill)

    with scripted.doing(scripts.chat_stream(pause=stop_control_plane)), world.http() as client:
        answer = client.post("/chat/completions", json=chat_request(stream=True))
    assert "[DONE]" in answer.text
    world.fleet.control_plane.start()
    assert world.record(answer.headers["x-request-id"])["output_tokens"] == 7


def test_readiness_does_not_depend_on_it(world, no_control_plane):
    assert all(edge.ready() for edge in world.fleet.edges.values())


def test_a_change_made_after_its_return_reaches_the_edges(world, scripted, no_control_plane):
    world.fleet.control_plane.start()
    key, public_id = world.new_key()
    world.fleet.control_plane.operator("key", "revoke", public_id)
    wait_until(lambda: world.edge().status_of_models(key)[0] == 401, "the key is refused")
