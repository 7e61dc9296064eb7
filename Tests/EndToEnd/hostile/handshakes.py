"""Attackers that never finish what a connection begins with."""

import dataclasses
import os
import socket
import ssl

from .connection import PATIENCE_SECONDS, Target
from .siege import Outcome


def client_hello(trust: ssl.SSLContext) -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    handshake = trust.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    try:
        handshake.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


@dataclasses.dataclass(frozen=True)
class HalfOpen:
    """Sends the beginning of a handshake and waits for the edge to give up."""

    name: str
    share: float
    """How much of the greeting is sent."""

    def __call__(self, target: Target, source: str) -> Outcome:
        greeting = client_hello(target.trust)
        return _send_and_wait(target, source, greeting[: round(len(greeting) * self.share)])


@dataclasses.dataclass(frozen=True)
class Garbage:
    """Sends what is no handshake."""

    name: str
    data: bytes

    def __call__(self, target: Target, source: str) -> Outcome:
        return _send_and_wait(target, source, self.data)


def _send_and_wait(target: Target, source: str, data: bytes) -> Outcome:
    with socket.socket() as connection:
        connection.settimeout(PATIENCE_SECONDS)
        connection.bind((source, 0))
        connection.connect((target.host, target.port))
        try:
            connection.sendall(data)
            while connection.recv(65536):
                pass
        except ConnectionError:
            pass
        except TimeoutError:
            return Outcome(cut=False, words="the edge keeps the connection")
        return Outcome(cut=True, sent=len(data))


HALF_OPEN = [HalfOpen("nothing", 0), HalfOpen("half a greeting", 0.5), HalfOpen("a greeting", 1)]
GARBAGE = [
    Garbage("HTTP without TLS", b"GET / HTTP/1.1\r\nHost: edge\r\n\r\n"),
    Garbage("HTTP/2 without TLS", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    Garbage("noise", os.urandom(2000)),
    Garbage("a greeting of noise", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(505)),
    Garbage("a record beyond its limit", b"\x16\x03\x01\xff\xff" + bytes(2000)),
    Garbage("an alert", b"\x15\x03\x01\x00\x02\x02\x28"),
    Garbage("SSL 2", b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + bytes(40)),
]
