"""Requests that a test sends part by part, over either protocol, and how much of them an edge takes."""

import select
import ssl

from http_clients import Answer, Http1Client, Http2Client, chat_body
from scripted import at_head, scripts

CUT = (EOFError, ConnectionError, ssl.SSLError)
"""How a client may find its connection or stream ended before an answer."""


def large_body(model, size, **more) -> bytes:
    """A request of exactly so many bytes, with its model first."""
    bare = len(chat_body(model, content="", **more))
    return chat_body(model, content="x" * (size - bare), **more)


class PartialRequest:
    """One request whose body follows by `send`, in chunks without a length."""

    def __init__(self, client: Http1Client | Http2Client, **options):
        self.client = client
        self.stream = client.ask(b"", chunked=True, ends=False, **options)

    def send(self, body: bytes) -> None:
        self.client.send_body(self.stream, body, chunked=True, ends=False)

    def end(self, body=b"", **options) -> None:
        self.client.send_body(self.stream, body, chunked=True, **options)

    def answer(self) -> Answer:
        return self.client.answer(self.stream)


class Pump:
    """Sends the bytes of a body as far as the edge takes them, and waits for nothing."""

    def __init__(self, request: PartialRequest, body: bytes):
        self.sent = 0
        """Bytes of the body that left this process."""
        self.request, self._body = request, memoryview(body)
        self._unsent = b""

    @property
    def is_done(self) -> bool:
        return self.sent == len(self._body) and not self._unsent

    def send(self) -> int:
        """What goes now. Returns how much has gone in all."""
        client = self.request.client
        client.socket.setblocking(False)
        try:
            while not self.is_done and self._send_some(client):
                pass
        finally:
            client.socket.settimeout(30)
        return self.sent

    def finish(self) -> None:
        """The rest, as the edge takes it."""
        while not self.is_done:
            assert self._send_some(self.request.client), "the edge closed"

    def _send_some(self, client) -> bool:
        if not self._unsent:
            part = self._body[self.sent : self.sent + 16384]
            if isinstance(client, Http2Client):
                if client.is_reset(self.request.stream):
                    return False
                part = part[: client.room(self.request.stream)]
                self._unsent = client.framed(self.request.stream, bytes(part)) if part else b""
            else:
                self._unsent = b"%x\r\n%s\r\n" % (len(part), bytes(part))
            self.sent += len(part)
        try:
            if not self._unsent:
                return client.read()
            self._unsent = self._unsent[client.socket.send(self._unsent) :]
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError, ssl.SSLEOFError, ConnectionError):
            # A connection that has ended is for the answer's reader to judge.
            return False
        return True


def pump_until_answered(pump: Pump, client: Http1Client | Http2Client, stream: int) -> Answer:
    """Sends on while an answer is awaited, which may be another client's. What is written to a connection is taken
    with some delay, so a request that is stuck may go a little further."""
    sending = pump.request.client
    # Only HTTP/2 says by a frame that it takes more.
    writing = [sending.socket] if isinstance(sending, Http1Client) else []
    reading = {client.socket} if writing else {client.socket, sending.socket}
    while not client.so_far(stream).is_whole:
        ready = select.select(reading, [] if pump.is_done else writing, [], 60)
        assert any(ready), "there is no answer"
        read_what_came(client, stream)
        # Last, so that no room is left unused that was read of.
        pump.send()
    return client.answer(stream)


def read_what_came(client: Http1Client | Http2Client, stream: int) -> None:
    client.socket.setblocking(False)
    try:
        while client.read():
            if client.so_far(stream).is_whole:
                return
        raise EOFError(f"the edge closed: {client.so_far(stream)}")
    except ssl.SSLWantReadError:
        pass
    finally:
        client.socket.settimeout(30)


def pump_until_still(pump: Pump, others) -> int:
    """Serves others, over and over, until the edge takes nothing more meanwhile. Returns how much it has taken."""
    sent = -1
    while sent != (sent := pump.send()):
        for _ in range(20):
            assert others.answer(others.ask(chat_body())).status == 200
        others.seen.clear()
    return sent


def taking_all(then=None):
    """A script that begins with the request's head, takes the body as it comes, and answers when it has it whole."""

    @at_head
    async def script(exchange):
        await exchange.take_body()
        await (then or scripts.chat_or_message())(exchange)

    return script
