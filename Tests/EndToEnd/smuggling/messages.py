"""Ambiguous HTTP/1.1 messages. Each is a request to the edge whose body is one valid chat request, or bytes that pretend
to be one; some hide a second request, which carries `MARKER` and must never reach an upstream.

What llhttp takes the edge must take too, as exactly as many requests, unless the case has a reason to be stricter.
"""

import dataclasses
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "Conformance"))

import corpus  # noqa: E402

# Replaced by the key and by the case's number, both of a fixed length.
KEY = b"@KEY@"
NUMBER = b"case 0000"
MARKER = b"x-marker"

BODY = b'{"model":"counting","messages":[{"role":"user","content":"' + NUMBER + b'"}]}'
SIZE = b"%d" % len(BODY)
HEX = b"%x" % len(BODY)
LINE = b"POST /v1/chat/completions HTTP/1.1"
HOST = b"Host: edge"
AUTHORIZATION = b"Authorization: Bearer " + KEY
CHUNKED = b"Transfer-Encoding: chunked"
LENGTH = b"Content-Length: " + SIZE
CHUNKS = HEX + b"\r\n" + BODY + b"\r\n0\r\n\r\n"


@dataclasses.dataclass(frozen=True)
class Case:
    message: bytes
    reason: str = ""
    """Why the edge refuses what llhttp takes."""


def post(*fields: bytes, body: bytes = b"", line: bytes = LINE, host: bytes = HOST) -> bytes:
    return b"\r\n".join([line, *([host] if host else []), AUTHORIZATION, *fields, b"", b""]) + body


def chunked(body: bytes) -> bytes:
    return post(CHUNKED, body=body)


def _in_small_chunks(extension: bytes = b"") -> bytes:
    """The body byte by byte, but for the case's number, which is put in later."""
    parts = [*(b"%c" % byte for byte in BODY.partition(NUMBER)[0]), *BODY.partition(NUMBER)[1:]]
    return b"".join(b"%x%s\r\n%s\r\n" % (len(part), extension, part) for part in parts)


HIDDEN = post(LENGTH, MARKER + b": smuggled", body=BODY)
HIDDEN_HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nX-Ignore: "

# MARK: taken by both

_TAKEN = [
    post(LENGTH, body=BODY),
    post(b"content-length:" + SIZE, body=BODY),
    post(b"CONTENT-LENGTH: \t " + SIZE + b" \t", body=BODY),
    post(b"Content-Length: 000" + SIZE, body=BODY),
    chunked(CHUNKS),
    post(b"transfer-encoding:chunked", body=CHUNKS),
    post(b"Transfer-Encoding: CHUNKED", body=CHUNKS),
    chunked(b"000" + HEX + b"\r\n" + BODY + b"\r\n000\r\n\r\n"),
    chunked(HEX.upper() + b"\r\n" + BODY + b"\r\n0\r\n\r\n"),
    chunked(_in_small_chunks() + b"0\r\n\r\n"),
    chunked(HEX + b";a\r\n" + BODY + b"\r\n0;b=c\r\n\r\n"),
    chunked(HEX + b';a="' + b"x" * 500 + b'"\r\n' + BODY + b"\r\n0\r\n\r\n"),
    chunked(HEX + b';a="\\"\\r"\r\n' + BODY + b"\r\n0\r\n\r\n"),
    chunked(HEX + b"\r\n" + BODY + b"\r\n0\r\nX-Trailer: 1\r\n\r\n"),
    # Trailers that would be framing, credentials or routing in a head: they must stay where they are.
    chunked(HEX + b"\r\n" + BODY + b"\r\n0\r\nHost: other\r\nAuthorization: Bearer x\r\n\r\n"),
    chunked(HEX + b"\r\n" + BODY + b"\r\n0\r\nX-Marker: trailer\r\n\r\n"),
    post(LENGTH, b"X-Note: Transfer-Encoding: chunked", body=BODY),
    post(LENGTH, b"X-Content-Length: 3", b"Content_Length: 3", b"Content-Lengthy: 3", body=BODY),
    post(CHUNKED, b"X-Transfer-Encoding: identity", b"Transfer_Encoding: x", body=CHUNKS),
    post(LENGTH, b"Connection: close, X-Drop", b"X-Drop: 1", body=BODY),
    post(LENGTH, b"Connection: Content-Length", body=BODY),
    post(LENGTH, b"Connection: Host, Authorization, Content-Type", body=BODY),
    post(CHUNKED, b"Connection: Transfer-Encoding", body=CHUNKS),
    post(LENGTH, b"Connection: ,,close,,", body=BODY),
    post(LENGTH, b"Keep-Alive: timeout=5", b"Proxy-Connection: keep-alive", body=BODY),
    post(LENGTH, b"TE: trailers, deflate", b"Trailer: Content-Length", body=BODY),
    post(LENGTH, b"Expect: 100-continue", body=BODY),
    post(CHUNKED, b"Expect: 100-CONTINUE", body=CHUNKS),
    post(LENGTH, b"X-Empty:", b"X-Blank: \t ", body=BODY),
    post(LENGTH, b"X-Tabs: a\tb", b"X-High: \xc3\xa9\xff\x80", body=BODY),
    post(LENGTH, b"!#$%&'*+-.^_`|~: token", body=BODY),
    post(LENGTH, b"X: " + b"v" * 8000, body=BODY),
    post(LENGTH, line=b"POST /v1/chat/completions?a=b&c=%0d%0ax HTTP/1.1", body=BODY),
    post(LENGTH, line=b"POST /chat/completions HTTP/1.1", body=BODY),
    post(LENGTH, line=b"POST /v1/v1/chat/completions HTTP/1.1", body=BODY),
    post(LENGTH, line=b"POST http://edge/v1/chat/completions HTTP/1.1", body=BODY),
    post(LENGTH, line=b"POST HTTPS://EDGE/v1/chat/completions HTTP/1.1", body=BODY),
    post(LENGTH, line=b"POST /v1/chat/completions HTTP/1.0", body=BODY),
    post(LENGTH, b"Connection: keep-alive", line=b"POST /v1/chat/completions HTTP/1.0", body=BODY),
    post(LENGTH, line=b"POST /v1/chat/completions HTTP/1.0", host=b"", body=BODY),
    post(LENGTH, host=b"host:\tedge:443", body=BODY),
    post(LENGTH, host=b"Host: [::1]:443", body=BODY),
    b"\r\n" + post(LENGTH, body=BODY),
    # Pipelines: two, three, of either framing, whole ones after each other.
    post(LENGTH, body=BODY) * 2,
    post(LENGTH, body=BODY) + chunked(CHUNKS) + post(LENGTH, body=BODY),
    chunked(CHUNKS) * 3,
    post(LENGTH, body=BODY) + b"\r\n" + post(LENGTH, body=BODY),
    post(b"Content-Length: 0") + post(LENGTH, body=BODY),
    post() + post(LENGTH, body=BODY),
    post(line=b"GET /v1/models HTTP/1.1") + post(LENGTH, body=BODY),
    post(LENGTH, line=b"GET /v1/models HTTP/1.1", body=BODY) + post(LENGTH, body=BODY),
    post(LENGTH, line=b"POST /none HTTP/1.1", body=BODY) + post(LENGTH, body=BODY),
    chunked(b"0\r\n\r\n") + post(LENGTH, body=BODY),
    # A body that looks like a request: the edge reads it as the body that it is, and it is no JSON.
    post(b"Content-Length: %d" % len(HIDDEN), body=HIDDEN),
    post(b"Content-Length: %d" % len(BODY + HIDDEN), body=BODY + HIDDEN),
    chunked(b"%x\r\n%s\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN)),
    chunked(b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY + HIDDEN), BODY + HIDDEN)),
    post(b"Content-Length: %d" % len(HIDDEN), line=b"GET /v1/models HTTP/1.1", body=HIDDEN),
    post(b"Content-Length: %d" % len(HIDDEN), line=b"POST /none HTTP/1.1", body=HIDDEN),
    post(b"Content-Length: %d" % len(HIDDEN), b"Content-Type: text/plain", body=HIDDEN),
    post(b"Content-Length: %d" % len(HIDDEN), b"Content-Encoding: gzip", body=HIDDEN),
]

# MARK: length against coding

_LENGTH_AND_CODING = [
    post(LENGTH, CHUNKED, body=CHUNKS),
    post(CHUNKED, LENGTH, body=CHUNKS),
    # CL.TE and TE.CL: each of two parsers would find the hidden request at another place.
    post(b"Content-Length: %d" % len(b"0\r\n\r\n" + HIDDEN), CHUNKED, body=b"0\r\n\r\n" + HIDDEN),
    post(b"Content-Length: 4", CHUNKED, body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN)),
    post(CHUNKED, b"Content-Length: 6", body=b"0\r\n\r\n" + HIDDEN_HEAD),
    post(b"Content-Length: 0", CHUNKED, body=b"0\r\n\r\n" + HIDDEN),
    post(CHUNKED, b"Content-Length: 0", body=CHUNKS + HIDDEN),
    # TE.TE: codings that one side does not recognise.
    *(
        post(b"Content-Length: 5", field, body=b"0\r\n\r\n" + HIDDEN)
        for field in [
            b"Transfer-Encoding: xchunked",
            b"Transfer-Encoding: chunkedx",
            b"Transfer-Encoding: \x0bchunked",
            b"Transfer-Encoding: chunked\x0b",
            b"Transfer-Encoding:\x0cchunked",
            b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked",
            b"Transfer-Encoding\x00: chunked",
            b"Transfer-Encoding : chunked",
            b" Transfer-Encoding: chunked",
            b"Transfer-Encoding\t: chunked",
            b"X: x\nTransfer-Encoding: chunked",
            b"X: x\rTransfer-Encoding: chunked",
            b"Transfer-Encoding\r\n : chunked",
            b"Transfer-Encoding:\r\n chunked",
            b"Transfer-Encoding: chunked, identity",
            b"Transfer-Encoding: identity, chunked",
            b'Transfer-Encoding: "chunked"',
            b"Transfer-Encoding: chunked;q=1",
            b"Transfer-Encoding: chunk\xc3\xa9d",
            b"Transfer-Encoding: c\xcc\xb6hunked",
            b"Transfer-Encoding: ,chunked",
            b"Transfer-Encoding: chunked,",
            b"Transfer-Encoding:",
        ]
    ),
]

_CODINGS = [
    *(
        post(field, body=CHUNKS + HIDDEN)
        for field in [
            b"Transfer-Encoding: identity",
            b"Transfer-Encoding: chunked, identity",
            b"Transfer-Encoding: chunked, chunked",
            b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
            b"Transfer-Encoding: xchunked",
            b"Transfer-Encoding: chunked-x",
            b"Transfer-Encoding: chun ked",
            b'Transfer-Encoding: "chunked"',
            b"Transfer-Encoding: chunked\x00",
            b"Transfer-Encoding: \x00chunked",
            b"Transfer-Encoding : chunked",
            b"Transfer-Encoding:\x0bchunked",
        ]
    ),
]

# MARK: lengths

_LENGTHS = [
    post(value, body=BODY)
    for value in [
        LENGTH + b"\r\n" + LENGTH,
        LENGTH + b"\r\nContent-Length: 0",
        b"Content-Length: 0\r\n" + LENGTH,
        b"Content-Length: " + SIZE + b", " + SIZE,
        b"Content-Length: " + SIZE + b",",
        b"Content-Length: ," + SIZE,
        b"Content-Length: +" + SIZE,
        b"Content-Length: -" + SIZE,
        b"Content-Length: -1",
        b"Content-Length: -0",
        b"Content-Length: 0x" + HEX,
        b"Content-Length: " + SIZE + b".0",
        b"Content-Length: " + SIZE + b"e0",
        b"Content-Length: " + SIZE + b";",
        b"Content-Length: " + SIZE[:1] + b"_" + SIZE[1:],
        b"Content-Length: " + SIZE[:1] + b" " + SIZE[1:],
        b'Content-Length: "' + SIZE + b'"',
        b"Content-Length: \x0b" + SIZE,
        b"Content-Length: " + SIZE + b"\x00",
        b"Content-Length: \xef\xbc\x95",
        b"Content-Length:",
        b"Content-Length: \t",
        b"Content-Length : " + SIZE,
        b"Content-Length\t: " + SIZE,
        b"Content-Length\x00: " + SIZE,
        b" Content-Length: " + SIZE,
        b"Content-Length:\r\n " + SIZE,
        b"Content-Length\r\n: " + SIZE,
        # One more than 64 and 63 bits hold, and what wraps round to the right length.
        b"Content-Length: 18446744073709551616",
        b"Content-Length: 18446744073709551615",
        b"Content-Length: 9223372036854775808",
        b"Content-Length: %d" % (2**64 + len(BODY)),
        b"Content-Length: %d" % (2**32 * 2**40 + len(BODY)),
        b"Content-Length: " + b"9" * 200,
    ]
]

# MARK: chunks

_CHUNK_FAULTS = [
    chunked(body)
    for body in [
        HEX + b"\n" + BODY + b"\r\n0\r\n\r\n",
        HEX + b"\r\n" + BODY + b"\n0\r\n\r\n",
        HEX + b"\r\n" + BODY + b"\r\n0\n\r\n",
        HEX + b"\r\n" + BODY + b"\r\n0\r\n\n",
        HEX + b"\n" + BODY + b"\n0\n\n" + HIDDEN,
        HEX + b"\r" + BODY + b"\r\n0\r\n\r\n",
        HEX + b"\r\r\n" + BODY + b"\r\n0\r\n\r\n",
        HEX + b"\r\n" + BODY + b"\r0\r\n\r\n",
        HEX + b"\r\n" + BODY + b"0\r\n\r\n",
        HEX + b"\r\n" + BODY + b"XX0\r\n\r\n" + HIDDEN,
        HEX + b"\r\n" + BODY + b"\r\n0\r\nX",
        HEX + b"\r\n" + BODY + b"\r\n0\r\n\rX" + HIDDEN,
        HEX + b"\r\n" + BODY[:-1] + b"\r\n0\r\n\r\n",
        HEX + b"\r\n" + BODY + b"!\r\n0\r\n\r\n",
        b" " + HEX + b"\r\n" + BODY + b"\r\n0\r\n\r\n",
        b"\t" + HEX + b"\r\n" + BODY + b"\r\n0\r\n\r\n",
        b"+" + HEX + b"\r\n" + BODY + b"\r\n0\r\n\r\n",
        b"-" + HEX + b"\r\n" + BODY + b"\r\n0\r\n\r\n",
        b"0x" + HEX + b"\r\n" + BODY + b"\r\n0\r\n\r\n",
        b"_" + HEX + b"\r\n" + BODY + b"\r\n0\r\n\r\n",
        HEX + b"h\r\n" + BODY + b"\r\n0\r\n\r\n",
        HEX + b"," + HEX + b"\r\n" + BODY + b"\r\n0\r\n\r\n",
        HEX + b"\x00\r\n" + BODY + b"\r\n0\r\n\r\n",
        HEX + b"\x0b\r\n" + BODY + b"\r\n0\r\n\r\n",
        b"\r\n" + CHUNKS,
        b";a\r\n" + BODY + b"\r\n0\r\n\r\n",
        b"\r\n\r\n" + HIDDEN,
        HEX + b"\r\n" + BODY + b"\r\n\r\n" + HIDDEN,
        # Sizes beyond 64 bits, and such as wrap round to the right one.
        b"10000000000000000\r\n" + BODY + b"\r\n0\r\n\r\n",
        b"ffffffffffffffff\r\n" + BODY + b"\r\n0\r\n\r\n",
        b"8000000000000000\r\n" + BODY + b"\r\n0\r\n\r\n",
        b"1000000000000000" + b"%03x" % len(BODY) + b"\r\n" + BODY + b"\r\n0\r\n\r\n",
        b"f" * 40 + b"\r\n" + BODY,
        # Extensions that one parser ends elsewhere than another.
        HEX + b";a\n" + BODY + b"\r\n0\r\n\r\n",
        HEX + b";a\nb\r\n" + BODY + b"\r\n0\r\n\r\n",
        HEX + b";a\rb\r\n" + BODY + b"\r\n0\r\n\r\n",
        HEX + b";a\x00b\r\n" + BODY + b"\r\n0\r\n\r\n",
        HEX + b';a="x\r\n' + BODY + b'"\r\n0\r\n\r\n',
        HEX + b';a="x\n"\r\n' + BODY + b"\r\n0\r\n\r\n",
        HEX + b";;\r\n" + BODY + b"\r\n0\r\n\r\n",
        HEX + b";a=b c\r\n" + BODY + b"\r\n0\r\n\r\n",
        HEX + b';a="b"c\r\n' + BODY + b"\r\n0\r\n\r\n",
        b"1;a\n" + HIDDEN + b"\r\n0\r\n\r\n",
        # Trailers.
        HEX + b"\r\n" + BODY + b"\r\n0\r\nno colon\r\n\r\n",
        HEX + b"\r\n" + BODY + b"\r\n0\r\nX : y\r\n\r\n",
        HEX + b"\r\n" + BODY + b"\r\n0\r\n folded\r\n\r\n",
        HEX + b"\r\n" + BODY + b"\r\n0\r\nX: a\x00b\r\n\r\n",
        HEX + b"\r\n" + BODY + b"\r\n0\r\nX: y\n\r\n",
        HEX + b"\r\n" + BODY + b"\r\n0\r\nX: y\rZ: z\r\n\r\n",
        HEX + b"\r\n" + BODY + b"\r\n0\r\nX: y\r\n folded\r\n\r\n",
    ]
]

# MARK: lines and fields

_FIELD_FAULTS = [
    post(LENGTH, field, body=BODY)
    for field in [
        b"X: a\x00b",
        b"X: a\rb",
        b"X: a\nb",
        b"X: a\r\n b",
        b"X: a\r\n\tb",
        b"X: a\n b",
        b"X: a\x01b",
        b"X: a\x7fb",
        b"X: a\x0bb",
        b"X\x00: a",
        b"X : a",
        b"X\t: a",
        b"X Y: a",
        b": a",
        b"no colon",
        b"X\r: a",
        b"X\xc3\xa9: a",
        b"X(1): a",
        b"X/Y: a",
        b"X=Y: a",
        b'"X": a',
        b"{X}: a",
        b" X: a",
        b"\tX: a",
        b"\r: a",
        b"X: a\r\r",
        b"\x00",
    ]
] + [
    # A line feed ends the head for one parser only.
    b"\n".join([LINE, HOST, AUTHORIZATION, LENGTH, b"", b""]) + BODY,
    b"\r".join([LINE, HOST, AUTHORIZATION, LENGTH, b"", b""]) + BODY,
    LINE + b"\n" + HOST + b"\r\n" + AUTHORIZATION + b"\r\n" + LENGTH + b"\r\n\r\n" + BODY,
    LINE + b"\r\n" + HOST + b"\r\n" + AUTHORIZATION + b"\r\n" + LENGTH + b"\n\n" + BODY,
    LINE + b"\r\n" + HOST + b"\r\n" + AUTHORIZATION + b"\r\n" + LENGTH + b"\r\n\n" + BODY,
    LINE + b"\r\n" + HOST + b"\r\n" + AUTHORIZATION + b"\r\n" + LENGTH + b"\n\r\n" + BODY,
    LINE + b"\r\n " + HOST + b"\r\n" + AUTHORIZATION + b"\r\n" + LENGTH + b"\r\n\r\n" + BODY,
    LINE + b"\r\n\r" + HOST + b"\r\n" + AUTHORIZATION + b"\r\n" + LENGTH + b"\r\n\r\n" + BODY,
    post(b"Content-Length: 0") + b"\x00" + HIDDEN,
    post(b"Content-Length: 0") + b"garbage\r\n" + HIDDEN,
    b"garbage\r\n" + HIDDEN,
    b"\x16\x03\x01" + HIDDEN,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + HIDDEN,
]

_LINE_FAULTS = [
    post(LENGTH, line=line, body=BODY)
    for line in [
        b"POST",
        b"POST ",
        b"POST /v1/chat/completions HTTP/1.2",
        b"POST /v1/chat/completions HTTP/11",
        b"POST /v1/chat/completions HTTP/1.",
        b"POST /v1/chat/completions HTTP/1.10",
        b"POST /v1/chat/completions HTTP/+1.1",
        b"POST /v1/chat/completions http/1.1",
        b"POST /v1/chat/completions HTTP/1.1 HTTP/1.1",
        b"POST /v1/chat/completions HTTP/1.1 ",
        b"POST\t/v1/chat/completions HTTP/1.1",
        b"POST /v1/chat/completions\tHTTP/1.1",
        b"POST\x0b/v1/chat/completions HTTP/1.1",
        b"POST /v1/chat completions HTTP/1.1",
        b"POST /v1/chat/completions\x00 HTTP/1.1",
        b"POST /v1/chat/\x7fcompletions HTTP/1.1",
        b"POST /v1/chat/\xc3\xa9 HTTP/1.1",
        b"POST v1/chat/completions HTTP/1.1",
        b"POST ://edge/v1/chat/completions HTTP/1.1",
        b"P\x00ST /v1/chat/completions HTTP/1.1",
        b"PO ST /v1/chat/completions HTTP/1.1",
        b"(POST) /v1/chat/completions HTTP/1.1",
        b" POST /v1/chat/completions HTTP/1.1",
        b"\x00POST /v1/chat/completions HTTP/1.1",
    ]
]

_UNFINISHED = [
    post(LENGTH, body=BODY[:-1]),
    post(b"Content-Length: 999", body=BODY),
    post(b"Content-Length: %d" % (len(HIDDEN) + 1), body=HIDDEN),
    chunked(b""),
    chunked(HEX),
    chunked(HEX + b"\r\n" + BODY),
    chunked(HEX + b"\r\n" + BODY + b"\r\n"),
    chunked(HEX + b"\r\n" + BODY + b"\r\n0\r\n"),
    chunked(b"%x\r\n%s" % (len(HIDDEN) + 9, HIDDEN)),
    chunked(b"fffffff\r\n" + HIDDEN),
    post(LENGTH, b"Expect: 100-continue"),
    LINE + b"\r\n" + HOST + b"\r\n",
    post(LENGTH, body=BODY) + LINE + b"\r\n" + HOST + b"\r\n",
]

# MARK: stricter than llhttp

_STRICTER = {
    "no host": [post(LENGTH, host=b"", body=BODY)],
    "two hosts": [post(LENGTH, b"Host: other", body=BODY), post(LENGTH, HOST, body=BODY)],
    "a host that is none": [
        post(LENGTH, host=host, body=BODY)
        for host in [
            b"Host:",
            b"Host: ",
            b"Host: a/b",
            b"Host: a@b",
            b"Host: a b",
            b"Host: a,b",
            b"Host: a\tb",
            b"Host: a?b",
            b"Host: a#b",
        ]
    ],
    "a target that disagrees with the host": [
        post(LENGTH, line=b"POST http://other/v1/chat/completions HTTP/1.1", body=BODY),
        post(LENGTH, line=b"POST http://edge:1/v1/chat/completions HTTP/1.1", body=BODY),
        post(LENGTH, line=b"POST http://edge@other/v1/chat/completions HTTP/1.1", body=BODY),
        post(
            LENGTH, line=b"POST http://edge/v1/chat/completions HTTP/1.0", host=b"X-No: host", body=BODY
        ),
    ],
    "a target of a form that no edge serves": [
        post(LENGTH, line=b"POST ftp://edge/v1/chat/completions HTTP/1.1", body=BODY),
        post(LENGTH, line=b"POST http:///v1/chat/completions HTTP/1.1", body=BODY),
        post(LENGTH, line=b"POST /v1/chat/completions#f HTTP/1.1", body=BODY),
        post(line=b"OPTIONS * HTTP/1.1") + HIDDEN,
    ],
    "another coding before chunked": [
        post(b"Transfer-Encoding: gzip, chunked", body=CHUNKS),
        post(b"Transfer-Encoding: identity, chunked", body=CHUNKS),
        post(b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", body=CHUNKS),
        post(b"Transfer-Encoding: ,chunked", body=CHUNKS),
    ],
    "chunked in HTTP/1.0": [
        post(CHUNKED, line=b"POST /v1/chat/completions HTTP/1.0", body=CHUNKS),
        post(CHUNKED, b"Connection: keep-alive", line=b"POST /v1/chat/completions HTTP/1.0", body=CHUNKS),
    ],
    "another version": [
        post(LENGTH, line=b"POST /v1/chat/completions", body=BODY),
        post(LENGTH, line=b"POST /v1/chat/completions HTTP/0.9", body=BODY),
        post(LENGTH, line=b"POST /v1/chat/completions HTTP/2.0", body=BODY),
    ],
    "more than one space in the request line": [
        post(LENGTH, line=b"POST /v1/chat/completions  HTTP/1.1", body=BODY),
        post(LENGTH, line=b"POST  /v1/chat/completions HTTP/1.1", body=BODY),
    ],
    "a chunk extension without a name": [chunked(HEX + b";=\r\n" + BODY + b"\r\n0\r\n\r\n")],
    "several empty lines before the request": [b"\r\n" * 3 + post(LENGTH, body=BODY)],
    "over a limit": [
        post(LENGTH, *[b"a: b"] * 101, body=BODY),
        post(LENGTH, b"X: " + b"v" * 33_000, body=BODY),
        chunked(HEX + b";a=" + b"x" * 5_000 + b"\r\n" + BODY + b"\r\n0\r\n\r\n"),
        chunked(_in_small_chunks(b";a=" + b"y" * 90) + b"0\r\n\r\n"),
        chunked(HEX + b"\r\n" + BODY + b"\r\n0\r\nX: " + b"v" * 9_000 + b"\r\n\r\n"),
        chunked(b"0" * 16 + HEX + b"\r\n" + BODY + b"\r\n0\r\n\r\n"),
        post(b"Content-Length: " + b"0" * 18 + SIZE, body=BODY),
    ],
}

# What the edge takes and llhttp refuses: every one is a fault unless it stands here.
LAXER = {
    "white space around a value is no part of it (RFC 9110, section 5.5)": [
        post(b"Transfer-Encoding: \t chunked \t", body=CHUNKS),
    ],
}


# MARK: the parser's own corpus, with a real body


def _carrying(message: bytes) -> bytes | None:
    """A message of the parser's corpus as a request that the edge would serve: with the key, and the chat request for
    its `hello`. None where nothing can be put in."""
    head, separator, tail = message.partition(b"\r\n\r\n")
    if b"Host: edge\r\n" not in message or b"\r\nHEAD " in b"\r\n" + head:
        return None
    lines = head.replace(b"Host: edge", HOST + b"\r\n" + AUTHORIZATION, 1).split(b"\r\n")
    for index, line in enumerate(lines):
        if re.match(rb"(?i)content-length[ \t]*:", line):
            lines[index] = line.replace(b"5", SIZE)
    body = tail.replace(b"5", HEX).replace(b"hello", BODY).replace(b"hell", BODY[:-1])
    return b"\r\n".join(lines) + separator + body


def _of_the_parsers() -> list[Case]:
    cases = [Case(made) for kind, message in corpus.SAME if kind == "r" and (made := _carrying(message))]
    for reason, (kind, message) in corpus.STRICTER.items():
        if kind == "r" and (made := _carrying(message)):
            cases.append(Case(made, reason))
    return cases


def _all() -> list[Case]:
    cases = [
        *(Case(message, reason) for reason, messages in _STRICTER.items() for message in messages),
        *(Case(message, reason) for reason, messages in LAXER.items() for message in messages),
        *(Case(message) for message in _TAKEN + _LENGTH_AND_CODING + _CODINGS + _LENGTHS),
        *(Case(message) for message in _CHUNK_FAULTS + _FIELD_FAULTS + _LINE_FAULTS + _UNFINISHED),
        *_of_the_parsers(),
    ]
    return list({case.message: case for case in reversed(cases)}.values())


CASES = _all()
