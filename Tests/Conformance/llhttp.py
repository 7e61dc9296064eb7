"""What llhttp makes of a message, in the probe's words."""

import dataclasses

import httptools


@dataclasses.dataclass
class _Message:
    target: bytes = b""
    body: bytes = b""
    status: int = 0
    method: bytes = b""
    keeps_alive: bool = False
    is_whole: bool = False


class _Listener:
    """Notes the first message and lets what follows it pass."""

    def __init__(self):
        self.message = _Message()
        self.parser = None

    def on_url(self, part: bytes):
        if not self.message.is_whole:
            self.message.target += part

    def on_headers_complete(self):
        if self.message.is_whole:
            return
        self.message.keeps_alive = self.parser.should_keep_alive()
        if isinstance(self.parser, httptools.HttpRequestParser):
            self.message.method = self.parser.get_method()
        else:
            self.message.status = self.parser.get_status_code()

    def on_body(self, part: bytes):
        if not self.message.is_whole:
            self.message.body += part

    def on_message_complete(self):
        self.message.is_whole = True


def verdict(kind: str, content: bytes) -> str:
    listener = _Listener()
    make = httptools.HttpRequestParser if kind == "r" else httptools.HttpResponseParser
    listener.parser = make(listener)
    try:
        listener.parser.feed_data(content)
    except httptools.HttpParserUpgrade:
        return "upgrade"
    except httptools.HttpParserError as error:
        if not listener.message.is_whole:
            return f"refused {error}"
    message = listener.message
    if not message.is_whole:
        return "more"
    fields = [
        message.method.hex() or "-",
        message.target.hex() or "-",
        str(message.status),
        str(message.keeps_alive).lower(),
        message.body.hex() or "-",
    ]
    return " ".join(["whole", *fields])
