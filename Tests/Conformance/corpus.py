"""HTTP/1.1 requests and answers, good and bad, for the comparison with llhttp.

`SAME` must come out alike in both parsers. In `STRICTER` llhttp takes what the edge refuses, each for the reason
that is given: a list to be looked at whenever llhttp changes.
"""

HOST = b"Host: edge\r\n"


def _post(*fields: bytes, body: bytes = b"", line: bytes = b"POST /v1/chat/completions HTTP/1.1") -> bytes:
    return b"\r\n".join([line, b"Host: edge", *fields, b"", b""]) + body


def _answer(*fields: bytes, body: bytes = b"", line: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return b"\r\n".join([line, *fields, b"", b""]) + body


_CHUNKED = b"Transfer-Encoding: chunked"

_GOOD_REQUESTS = [
    _post(),
    _post(b"Content-Length: 0"),
    _post(b"Content-Length: 5", body=b"hello"),
    _post(b"content-length:5", body=b"hello"),
    _post(b"CONTENT-LENGTH: \t 5 \t", body=b"helloGET / HTTP/1.1\r\n\r\n"),
    _post(b"Content-Length: 005", body=b"hello"),
    _post(_CHUNKED, body=b"5\r\nhello\r\n0\r\n\r\n"),
    _post(b"transfer-encoding: CHUNKED", body=b"5\r\nhello\r\n0\r\n\r\n"),
    _post(_CHUNKED, body=b"1\r\na\r\n2\r\nbc\r\n00\r\n\r\n"),
    _post(_CHUNKED, body=b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n"),
    _post(_CHUNKED, body=b"5;name=value\r\nhello\r\n0;x\r\n\r\n"),
    _post(_CHUNKED, body=b'5;a="b;\\"c";d\r\nhello\r\n0\r\n\r\n'),
    _post(_CHUNKED, body=b"5\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n"),
    _post(_CHUNKED, body=b"0\r\n\r\n"),
    _post(b"Connection: close"),
    _post(b"Connection: keep-alive"),
    _post(b"Connection: Close, TE"),
    _post(b"X-Empty:"),
    _post(b"X-Spaces:    "),
    _post(b"X-Inner: a  b\tc"),
    _post(b"X-High: \xc3\xa9\xff\x80"),
    _post(b"!#$%&'*+-.^_`|~: token"),
    _post(b"x: " + b"v" * 5000),
    _post(line=b"GET / HTTP/1.1"),
    _post(line=b"GET /a?b=c&d=%20 HTTP/1.1"),
    _post(line=b"GET /a//b/../c;p=1,2 HTTP/1.1"),
    _post(line=b"DELETE /v1/models/m HTTP/1.1"),
    _post(line=b"OPTIONS /v1/models HTTP/1.1"),
    _post(line=b"HEAD /v1/models HTTP/1.1"),
    _post(line=b"GET / HTTP/1.0"),
    _post(b"Connection: keep-alive", line=b"GET / HTTP/1.0"),
    b"\r\n" + _post(),
    b"GET / HTTP/1.0\r\n\r\n",
]

_BAD_REQUESTS = [
    _post(b"Content-Length: 5", _CHUNKED, body=b"0\r\n\r\n"),
    _post(_CHUNKED, b"Content-Length: 5", body=b"0\r\n\r\n"),
    _post(b"Content-Length: 5", b"Content-Length: 6", body=b"hello"),
    _post(b"Content-Length: 5", b"Content-Length: 5", body=b"hello"),
    _post(b"Content-Length: 5, 5", body=b"hello"),
    _post(b"Content-Length: +5", body=b"hello"),
    _post(b"Content-Length: -5", body=b"hello"),
    _post(b"Content-Length: 5 5", body=b"hello"),
    _post(b"Content-Length: 0x5", body=b"hello"),
    _post(b"Content-Length: five", body=b"hello"),
    _post(b"Content-Length: 99999999999999999999", body=b"hello"),
    _post(b"Content-Length : 5", body=b"hello"),
    _post(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n"),
    _post(b"Transfer-Encoding: identity"),
    _post(b"Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n"),
    _post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"),
    _post(b"Transfer-Encoding: chunked\t", body=b"0\r\n\r\n"),
    _post(b"Transfer-Encoding: chunked \t ", body=b"0\r\n\r\n"),
    _post(_CHUNKED, _CHUNKED, body=b"0\r\n\r\n"),
    _post(b": empty name"),
    _post(b"no colon"),
    _post(b"na me: x"),
    _post(b"na\x00me: x"),
    _post(b"n\xc3\xa9: x"),
    _post(b"(x): y"),
    _post(b"x@y: z"),
    _post(b"x: a\x00b"),
    _post(b"x: a\rb"),
    _post(b"x: a\x01b"),
    _post(b"x: a\x7fb"),
    _post(line=b"GET"),
    _post(line=b"GET /a b HTTP/1.1"),
    _post(line=b"GET /\x00 HTTP/1.1"),
    _post(line=b"GET /\x01 HTTP/1.1"),
    _post(line=b"GET /\x7f HTTP/1.1"),
    _post(line=b"GET /\xc3\xa9 HTTP/1.1"),
    _post(line=b"GET\t/ HTTP/1.1"),
    _post(line=b"G@T / HTTP/1.1"),
    _post(line=b"(GET) / HTTP/1.1"),
    _post(line=b"GET / HTTP/1.2"),
    _post(line=b"GET / HTTP/3.0"),
    _post(line=b"GET / http/1.1"),
    _post(line=b"GET / HTTP/1.1x"),
    _post(line=b"GET / HTTP/1"),
    _post(line=b"GET / HTTPS/1.1"),
    _post(line=b"GET x HTTP/1.1"),
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS greeting\r\n\r\n",
    b"GET / HTTP/1.1\r\n Host: edge\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: edge\rX: y\r\n\r\n",
    _post(_CHUNKED, body=b"x\r\nhello\r\n0\r\n\r\n"),
    _post(_CHUNKED, body=b"-5\r\nhello\r\n0\r\n\r\n"),
    _post(_CHUNKED, body=b"+5\r\nhello\r\n0\r\n\r\n"),
    _post(_CHUNKED, body=b"0x5\r\nhello\r\n0\r\n\r\n"),
    _post(_CHUNKED, body=b" 5\r\nhello\r\n0\r\n\r\n"),
    _post(_CHUNKED, body=b"5\r\nhelloX\r\n0\r\n\r\n"),
    _post(_CHUNKED, body=b"5\r\nhell\r\n0\r\n\r\n"),
    _post(_CHUNKED, body=b"5\nhello\r\n0\r\n\r\n"),
    _post(_CHUNKED, body=b"5\r\nhello\n0\r\n\r\n"),
    _post(_CHUNKED, body=b"5;a\x00b\r\nhello\r\n0\r\n\r\n"),
    _post(_CHUNKED, body=b"5;;\r\nhello\r\n0\r\n\r\n"),
    _post(_CHUNKED, body=b"5;a=b:c\r\nhello\r\n0\r\n\r\n"),
    _post(_CHUNKED, body=b'5;a="b\r\nhello\r\n0\r\n\r\n'),
    _post(_CHUNKED, body=b"ffffffffffffffffffff\r\nhello"),
    _post(_CHUNKED, body=b"0\r\nno colon\r\n\r\n"),
    _post(_CHUNKED, body=b"0\r\n: x\r\n\r\n"),
]

_UNFINISHED = [
    b"",
    b"P",
    b"POST / HTTP/1.1",
    b"POST / HTTP/1.1\r\n",
    b"POST / HTTP/1.1\r\nHost: edge\r\n",
    b"POST / HTTP/1.1\r\nHost: edge\r\n\r",
    _post(b"Content-Length: 5", body=b"hell"),
    _post(_CHUNKED),
    _post(_CHUNKED, body=b"5\r\nhel"),
    _post(_CHUNKED, body=b"5\r\nhello\r\n0\r\n"),
    _post(_CHUNKED, body=b"5\r\nhello\r\n0\r\n\r"),
]

_ANSWERS = [
    _answer(b"Content-Length: 5", body=b"hello"),
    _answer(b"Content-Length: 0"),
    _answer(_CHUNKED, body=b"5\r\nhello\r\n0\r\n\r\n"),
    _answer(b"Content-Length: 5", b"Connection: close", body=b"hello"),
    _answer(b"Content-Length: 5", line=b"HTTP/1.1 200", body=b"hello"),
    _answer(b"Content-Length: 5", line=b"HTTP/1.1 200 ", body=b"hello"),
    _answer(b"Content-Length: 5", line=b"HTTP/1.1 404 Not Found at \xc3\xa9", body=b"hello"),
    _answer(b"Content-Length: 5", line=b"HTTP/1.0 200 OK", body=b"hello"),
    _answer(line=b"HTTP/1.1 204 No Content"),
    _answer(line=b"HTTP/1.1 304 Not Modified"),
    _answer(b"Content-Length: 5", body=b"hell"),
    _answer(_CHUNKED, body=b"5\r\nhel"),
    _answer(body=b"until the connection closes"),
    _answer(b"Content-Length: 5", _CHUNKED, body=b"0\r\n\r\n"),
    _answer(b"Content-Length: 5", b"Content-Length: 6", body=b"hello"),
    _answer(line=b"HTTP/1.1 2x0 OK"),
    _answer(line=b"HTTP/1.1 20 OK"),
    _answer(line=b"ICY 200 OK"),
    _answer(line=b"HTTP/1.1  200 OK"),
    _answer(line=b"HTTP/1.1200 OK"),
    _answer(line=b"HTTP/1.1"),
    _answer(b"x: a\x00b"),
    _answer(b" folded: x"),
]

SAME = [("r", message) for message in _GOOD_REQUESTS + _BAD_REQUESTS + _UNFINISHED] + [
    ("a", message) for message in _ANSWERS
]

STRICTER = {
    "no host": ("r", b"GET / HTTP/1.1\r\n\r\n"),
    "two hosts": ("r", _post(b"Host: other")),
    "an empty host": ("r", b"GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    "a host that is none": ("r", b"GET / HTTP/1.1\r\nHost: a/b@c\r\n\r\n"),
    "an absolute target that disagrees with the host": ("r", _post(line=b"GET http://other/ HTTP/1.1")),
    "another coding before chunked": ("r", _post(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n")),
    "chunked in HTTP/1.0": ("r", _post(_CHUNKED, line=b"POST / HTTP/1.0", body=b"0\r\n\r\n")),
    "a request line without a version": ("r", _post(line=b"GET /")),
    "HTTP/0.9": ("r", _post(line=b"GET / HTTP/0.9")),
    "a fragment in the target": ("r", _post(line=b"GET /#part HTTP/1.1")),
    "a target for the whole server": ("r", _post(line=b"OPTIONS * HTTP/1.1")),
    "several empty lines before the request": ("r", b"\r\n\r\n\r\n" + _post()),
    "more fields than the limit": ("r", _post(*[b"a: b"] * 101)),
    "a head of more than 32 KiB": ("r", _post(b"x: " + b"v" * 33_000)),
    "a status below 100": ("a", _answer(b"Content-Length: 0", line=b"HTTP/1.1 099 OK")),
    "a body with 204": ("a", _answer(b"Content-Length: 5", line=b"HTTP/1.1 204 x", body=b"hello")),
}
