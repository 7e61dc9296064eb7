"""An upstream that does what a test tells it to, byte for byte, over HTTP/1.1 and HTTP/2, with and without
TLS."""

from .exchange import Exchange, Request, Script, at_head
from .upstream import ScriptedUpstream

WAYS = ["http1", "http1-tls", "http2", "http2-tls"]
"""How an edge can speak with it; each has an offer of its own."""

__all__ = ["WAYS", "Exchange", "Request", "Script", "ScriptedUpstream", "at_head"]
