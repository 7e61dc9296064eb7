"""An upstream that does what a test tells it to, byte for byte, over HTTP/1.1 and HTTP/2, with and without
TLS."""

from .exchange import Exchange, Request, Script, at_head
from .upstream import ScriptedUpstream

__all__ = ["Exchange", "Request", "Script", "ScriptedUpstream", "at_head"]
