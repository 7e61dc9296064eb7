"""A client that has said all it has to say, in order, still gets its answer. One whose connection just ends is gone."""

import threading

import pytest
from http_clients import Http1Client, chat_body
from scripted import WAYS, scripts


@pytest.fixture
def client(world):
    with Http1Client(world, world.edge()) as client:
        yield client


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("shut", [False, True], ids=["close_notify", "close_notify and FIN"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_who_ends_in_order_behind_a_whole_request_gets_the_answer(client, scripted, stream, shut, way):
    ended = threading.Event()
    with scripted.doing(scripts.when(ended, scripts.chat_or_message())):
        client.ask(chat_body(f"scripted-{way}", stream=stream))
        client.say_end(shut=shut)
        ended.set()
        answer = client.answer()
    assert answer.status == 200
    assert not stream or answer.body.endswith(b"data: [DONE]\n\n")
    client.read_to_end()


def test_who_ends_in_order_while_the_answer_comes_gets_the_rest(client, scripted):
    ended = threading.Event()

    with scripted.doing(scripts.chat_stream(pause=scripts.when(ended))):
        client.ask(chat_body(stream=True))
        client.until_body(0, b"assistant")
        client.say_end(shut=True)
        ended.set()
        assert client.answer().body.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("way", WAYS)
def test_whose_connection_just_ends_is_gone(world, client, scripted, way):
    with scripted.doing(scripts.endless()):
        client.ask(chat_body(f"scripted-{way}", stream=True))
        client.until_body(0, b"word")
        request_id = client.head().headers["x-request-id"]
        client.say_end(close_notify=False, shut=True)
        assert scripted.last.gone.wait(30)
    assert world.record(request_id)["outcome"] == "client_gone"


def test_half_a_request_is_no_request(client, scripted):
    body = chat_body()
    client.ask(body, ends=False)
    client.send(body[:10])
    client.say_end(shut=True)
    with pytest.raises(EOFError):
        client.head()
    assert scripted.exchanges == []
