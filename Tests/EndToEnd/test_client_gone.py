"""A client that goes away mid-stream stops the work, and leaves one record of what is known."""

import asyncio
import json

import pytest
from devfleet.processes import wait_until
from edge_beside import H2Client, edge_beside, metric
from http_clients import chat_body, client_of
from scripted import WAYS, scripts
from world import chat_request, message_request


@pytest.mark.parametrize("way", WAYS)
def test_the_upstream_is_cancelled(world, scripted, way, http2):
    with scripted.doing(scripts.endless()):
        request_id = leave_after_some(
            world, http2, "/chat/completions", chat_request(f"scripted-{way}", stream=True)
        )
        assert scripted.last.gone.wait(30), "the upstream was never told"
    record = world.record(request_id)
    assert record["outcome"] == "client_gone"
    assert record["usage_source"] == "estimated"
    assert record["output_tokens"] > 0
    assert record["status"] == 200


def test_anthropics_running_counts_are_used(world, scripted):
    """A message stream says its input at once, so that much is known even of a stream that was left."""

    async def wait(exchange):
        if exchange.request.path.endswith("/messages") and wait.left > 0:
            wait.left -= 1
            return
        await exchange.until_gone()

    wait.left = 4
    with scripted.doing(scripts.message_stream(pause=wait)):
        request_id = leave_after_some(world, True, "/messages", message_request(stream=True))
        assert scripted.last.gone.wait(30)
    record = world.record(request_id)
    assert (record["outcome"], record["input_tokens"]) == ("client_gone", 11)


def test_before_the_first_byte_too(world, scripted, http2):
    async def never(exchange):
        await exchange.until_gone()

    key, public_id = world.new_key()
    with scripted.doing(never), client_of(world, world.edge(), http2) as client:
        client.ask(chat_body(), headers={"authorization": f"Bearer {key}"})
        wait_until(lambda: scripted.exchanges, "the upstream has it")
    assert scripted.last.gone.wait(30)
    records = wait_until(
        lambda: world.fleet.control_plane.operator("usage", "list", "--key", public_id), "the record"
    )
    assert [record["outcome"] for record in records] == ["client_gone"]


def test_what_is_still_under_way_to_them_harms_nobody(world, tmp_path, scripted):
    """An upstream that has not yet heard that they left sends each a window's worth, over the connection of another."""
    leaving, window = 60, 64 << 10
    go_on, end = asyncio.Event(), asyncio.Event()

    async def script(exchange):
        stays = b'"stays"' in exchange.request.body
        await exchange.head(200, scripts.EVENTS)
        await exchange.write(event("x"))
        await (end if stays else go_on).wait()
        await exchange.write(b"data: [DONE]\n\n" if stays else event("x" * window)[: window - 1024])
        await exchange.end()

    with edge_beside(world, tmp_path, workers=1) as edge, scripted.doing(script), H2Client(world, edge) as stays:
        stream = ask(stays, "stays")
        with H2Client(world, edge) as leaver:
            for _ in range(leaving):
                ask(leaver, "leaves")
            assert len({exchange.connection for exchange in scripted.exchanges}) == 1
            with scripted.standing_still():
                # What the loop does next, before it reads that they are gone.
                scripted.soon(go_on.set)
                leaver.socket.close()
                wait_until(lambda: metric(edge, "strait_edge_exchanges_active") == 1, "the edge knows")
        scripted.soon(end.set)
        status, _, body = stays.answer(stream)
        assert (status, body.endswith(b"[DONE]\n\n"), b"error" in body) == (200, True, False)


def ask(client: H2Client, content: str) -> int:
    """A stream that has begun to answer."""
    request = chat_request("scripted-http2", stream=True, content=content)
    stream = client.request("/chat/completions", json.dumps(request).encode())
    client.until_data(stream)
    return stream


def event(text: str) -> bytes:
    return scripts.chat_events("scripted", [text], None, False)[1].encode()


def test_a_model_server_is_free_again(world):
    """The real one: after a left stream it takes the next request at once."""
    client = world.openai()
    stream = client.chat.completions.create(
        model="gemma3-270m",
        messages=[{"role": "user", "content": "Count to a thousand."}],
        stream=True,
        max_tokens=1500,
    )
    next(iter(stream))
    stream.close()
    assert (
        client.chat.completions.create(
            model="gemma3-270m", messages=[{"role": "user", "content": "Hi"}], max_tokens=4
        ).usage.completion_tokens
        > 0
    )


def leave_after_some(world, http2, path, request) -> str:
    with world.http(http2=http2) as client, client.stream("POST", path, json=request) as answer:
        next(answer.iter_raw())
        return answer.headers["x-request-id"]
