"""What llhttp makes of the bytes of one connection, and what therefore may reach an upstream."""

import dataclasses

import httptools

from .messages import BODY

CHAT_TARGETS = (b"/v1/chat/completions", b"/chat/completions", b"/v1/v1/chat/completions")


@dataclasses.dataclass
class Verdict:
    """`chats` are the complete messages that the edge would send on; `end` is how the bytes end: `border` (a further
    request may follow), `last` (whole, but the connection ends), `more` or `refused`."""

    chats: int = 0
    end: str = "border"


class _Listener:
    def __init__(self):
        self.verdict = Verdict()
        self.parser: httptools.HttpRequestParser = None
        self.target, self.body, self.is_open, self.is_last = b"", b"", False, False

    def on_message_begin(self):
        self.target, self.body, self.is_open = b"", b"", True

    def on_url(self, part: bytes):
        self.target += part

    def on_body(self, part: bytes):
        self.body += part

    def on_message_complete(self):
        self.is_open = False
        self.is_last = not self.parser.should_keep_alive()
        path = self.target.partition(b"?")[0]
        if path.lower().startswith((b"http://", b"https://")):
            path = b"/" + path.split(b"/", 3)[-1]
        is_chat = self.parser.get_method() == b"POST" and path in CHAT_TARGETS
        self.verdict.chats += is_chat and self.body == BODY


def judge(message: bytes) -> Verdict:
    """The message as the corpus has it, before number and key are put in."""
    listener = _Listener()
    listener.parser = httptools.HttpRequestParser(listener)
    verdict = listener.verdict
    try:
        listener.parser.feed_data(message)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        verdict.end = "refused"
        return verdict
    if listener.is_open or not message:
        verdict.end = "more"
    elif listener.is_last:
        verdict.end = "last"
    return verdict


class Answers:
    """The answers that came back over one connection."""

    def __init__(self, data: bytes):
        self.statuses: list[int] = []
        self.served = 0
        """Answers that an upstream gave."""
        self._body = b""
        self._parser = httptools.HttpResponseParser(self)
        self._parser.feed_data(data)

    def on_message_begin(self):
        self._body = b""

    def on_body(self, part: bytes):
        self._body += part

    def on_message_complete(self):
        if self._parser.get_status_code() >= 200:
            self.statuses.append(self._parser.get_status_code())
            self.served += b'"echo"' in self._body
