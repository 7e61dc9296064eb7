"""Requests over HTTP/2 that would be two things at once over HTTP/1.1, where their upstream speaks that."""

import dataclasses

BODY_NUMBER = b"case 0000"
BODY = b'{"model":"counting","messages":[{"role":"user","content":"' + BODY_NUMBER + b'"}]}'
SIZE = b"%d" % len(BODY)
MARKER = b"x-marker"
# What an injected line would bring with it.
HIDDEN = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: edge\r\nx-marker: smuggled\r\ncontent-length: " + SIZE + b"\r\n\r\n" + BODY
)
AUTHORITY = b"edge"

Field = tuple[bytes, bytes]


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    fields: tuple[Field, ...]
    served: bool
    body: bytes = BODY
    trailers: tuple[Field, ...] | None = None
    has_body: bool = True


def _request(
    *fields: Field,
    method: bytes = b"POST",
    scheme: bytes = b"https",
    path: bytes = b"/v1/chat/completions",
    authority: bytes | None = AUTHORITY,
) -> tuple[Field, ...]:
    pseudo = [(b":method", method), (b":scheme", scheme), (b":path", path)]
    if authority is not None:
        pseudo.append((b":authority", authority))
    return (*pseudo, (b"authorization", b"@KEY@"), *fields)


def _without(name: bytes) -> tuple[Field, ...]:
    return tuple(field for field in _request() if field[0] != name)


_LENGTH = (b"content-length", SIZE)
_END = b"\r\n\r\n" + HIDDEN

_SERVED = {
    "nothing special": _request(),
    "its length": _request(_LENGTH),
    "te: trailers": _request((b"te", b"trailers")),
    "host like :authority": _request((b"host", AUTHORITY)),
    "host instead of :authority": _request((b"host", AUTHORITY), authority=None),
    "an empty value": _request((b"x-empty", b"")),
    "a tab in a value": _request((b"x-tab", b"a\tb")),
    "high bytes in a value": _request((b"x-high", b"\xc3\xa9\xff\x80")),
    "a line that is only text": _request((b"x-text", b"POST / HTTP/1.1 host: other")),
    "percent-encoded line ends in the query": _request(path=b"/v1/chat/completions?a=%0d%0ax-marker:%20smuggled"),
    "names that look like framing": _request((b"content-lengthy", b"3"), (b"transfer_encoding", b"chunked")),
    "expect": _request(_LENGTH, (b"expect", b"100-continue")),
    "cookies in crumbs": _request((b"cookie", b"a=b"), (b"cookie", b"c=d")),
    "a forwarding field": _request((b"x-forwarded-host", b"other"), (b"forwarded", b"for=a;host=b")),
    "trailer announced": _request((b"trailer", b"content-length")),
}

_REFUSED = {
    # Values that would begin another line.
    **{
        f"{words} in a value": _request((b"x-note", value))
        for words, value in {
            "CR LF and a field": b"a\r\nx-marker: smuggled",
            "CR LF and a request": b"a" + _END,
            "LF": b"a\nx-marker: smuggled",
            "CR": b"a\rx-marker: smuggled",
            "NUL": b"a\x00b",
            "CR LF alone": b"\r\n",
            "LF at the end": b"a\n",
            "CR at the end": b"a\r",
            "LF at the beginning": b"\na",
            "a line end before a coding": b"a\r\ntransfer-encoding: chunked",
            "a control character": b"a\x01b",
            "DEL": b"a\x7fb",
        }.items()
    },
    # Names that are none.
    **{
        f"a name with {words}": _request((name, b"value"))
        for words, name in {
            "upper case": b"X-Upper",
            "upper case in a framing name": b"Content-Length",
            "a colon": b"x:y",
            "a colon and a value": b"x-marker: smuggled\r\nx",
            "a space": b"x y",
            "a space at its end": b"x ",
            "a space at its beginning": b" x",
            "a tab": b"x\ty",
            "CR LF": b"x\r\ny",
            "LF": b"x\ny",
            "CR": b"x\ry",
            "NUL": b"x\x00y",
            "a high byte": b"x\xc3\xa9",
            "a bracket": b"x(y)",
            "a slash": b"x/y",
            "DEL": b"x\x7f",
            "a whole request": b"x" + _END,
            "nothing in it": b"",
            "a colon alone": b":",
            "a space before the coding's colon": b"transfer-encoding ",
        }.items()
    },
    # Fields of one hop (RFC 9113, section 8.2.2).
    **{
        f"{name.decode()}: {value.decode()}": _request((name, value))
        for name, value in [
            (b"connection", b"close"),
            (b"connection", b"x-note"),
            (b"connection", b"content-length"),
            (b"keep-alive", b"timeout=5"),
            (b"proxy-connection", b"keep-alive"),
            (b"transfer-encoding", b"chunked"),
            (b"transfer-encoding", b"identity"),
            (b"transfer-encoding", b""),
            (b"upgrade", b"h2c"),
            (b"te", b"gzip"),
            (b"te", b"trailers, chunked"),
        ]
    },
    # Lengths at odds with the bytes, or with each other.
    **{
        f"content-length {words}": _request(*((b"content-length", value) for value in values))
        for words, values in {
            "too short": [b"%d" % (len(BODY) - 1)],
            "too long": [b"%d" % (len(BODY) + 1)],
            "zero": [b"0"],
            "twice, alike": [SIZE, SIZE],
            "twice, unlike": [SIZE, b"0"],
            "in a list": [SIZE + b", " + SIZE],
            "signed": [b"+" + SIZE],
            "negative": [b"-1"],
            "in hexadecimal": [b"0x%x" % len(BODY)],
            "empty": [b""],
            "with a space": [SIZE + b" "],
            "over 64 bits": [b"%d" % (2**64 + len(BODY))],
            "with a line end": [SIZE + b"\r\n"],
        }.items()
    },
    # Whose request is it?
    "host at odds with :authority": _request((b"host", b"other")),
    "host with another port": _request((b"host", AUTHORITY + b":81")),
    "two hosts": _request((b"host", AUTHORITY), (b"host", AUTHORITY)),
    "neither host nor :authority": _request(authority=None),
    "an empty host": _request((b"host", b""), authority=None),
    **{
        f":authority {value!r}": _request(authority=value)
        for value in [
            *(b"edge\r\nx-marker: smuggled", b"edge\n", b"edge other", b"edge\x00", b"edge/path", b"user@edge"),
            *(b"edge?query", b"edge#part", b"edge\t", b"edge,other", b""),
        ]
    },
    # Request lines.
    **{
        f":path {value!r}": _request(path=value)
        for value in [
            *(b"", b"v1/chat/completions", b"*", b"/v1/chat/completions HTTP/1.1", b"/v1/chat/completions x"),
            *(b"/v1/chat/completions\r\nx-marker: smuggled", b"/v1/chat/completions\n", b"/v1/chat/completions\r"),
            *(b"/v1/chat/completions\x00", b"/v1/chat/completions\t", b"/v1/chat/completions?a b", b"/v1/chat/completions?a\tb"),
            *(b"/v1/chat/completions?a\r\nx-marker: smuggled", b"/v1/chat/completions?a\n", b"/v1/chat/completions?\x00"),
            *(b"/v1/chat/completions?a HTTP/1.1" + _END, b"/v1/chat/completions#part", b"/v1/chat/completions?\xc3\xa9"),
            *(b"/v1/chat/completions?\x7f", b"/v1/chat/completions?a#part", b"https://edge/v1/chat/completions"),
        ]
    },
    **{
        f":method {value!r}": _request(method=value)
        for value in [
            *(b"", b"post", b"GET", b"POST ", b" POST", b"POST\r\n", b"POST / HTTP/1.1" + _END, b"PO ST", b"POST\x00"),
            *(b"P\tOST", b"POST\n", b"(POST)", b"CONNECT", b"OPTIONS"),
        ]
    },
    **{
        f":scheme {value!r}": _request(scheme=value)
        for value in [b"", b"https\r\nx-marker: smuggled", b"https ", b"ht\x00tps", b"https://other/", b"1https"]
    },
    # Pseudo fields that miss, double, come late or are unknown.
    "no :method": _without(b":method"),
    "no :scheme": _without(b":scheme"),
    "no :path": _without(b":path"),
    **{f"two {field[0].decode()}": (field, *_request()) for field in _request()[:4]},
    "a late :path": (*_without(b":path"), (b":path", b"/v1/chat/completions")),
    "a late :authority": (*_without(b":authority"), (b":authority", AUTHORITY)),
    "an unknown pseudo field": ((b":unknown", b"x"), *_request()),
    "a pseudo field of answers": ((b":status", b"200"), *_request()),
    ":protocol unasked": ((b":protocol", b"websocket"), *_request()),
    "no field at all": (),
}

_OF_BODIES = [
    Case("whole with its length in two", _request(_LENGTH), True, body=BODY),
    Case("trailers", _request(), True, trailers=((b"x-trailer", b"1"),)),
    Case("trailers that say a length", _request(), True, trailers=((b"x-length", b"0"),)),
    Case("a pseudo field in trailers", _request(), False, trailers=((b":path", b"/"),)),
    Case("upper case in trailers", _request(), False, trailers=((b"X-Trailer", b"1"),)),
    Case("CR LF in trailers", _request(), False, trailers=((b"x-trailer", b"a\r\nb: c"),)),
    Case("a coding in trailers", _request(), False, trailers=((b"transfer-encoding", b"chunked"),)),
    Case("a length and no body", _request(_LENGTH), False, has_body=False),
    Case("a request behind the body", _request(), False, body=BODY + _END),
    Case("a request for a body", _request(), False, body=HIDDEN),
    Case("a chunked body inside", _request(), False, body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)),
    Case("an end of chunks and a request", _request(), False, body=b"0\r\n\r\n" + HIDDEN),
]

CASES = [
    *(Case(name, fields, True) for name, fields in _SERVED.items()),
    *(Case(name, fields, False) for name, fields in _REFUSED.items()),
    *_OF_BODIES,
]
