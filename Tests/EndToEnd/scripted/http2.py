"""The HTTP/2 side of the scripted upstream, on the h2 library's state machine."""

import asyncio

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import hyperframe.frame

from .exchange import Exchange, Request
from .gone import ClientGone
from .upload import Http2Upload

MOST_STREAMS = 2**31 - 1
# More than any body has; several streams may open their connection's window by it.
WIDE = 1 << 26


class Http2Exchange(Exchange):
    def __init__(self, request: Request, upload: Http2Upload, session: "Session", stream: int):
        super().__init__(request, upload, session.peer)
        self._session = session
        self.stream = stream
        """Its number on the connection."""

    async def information(self, status, headers=None):
        fields = [(":status", str(status)), *(headers or {}).items()]
        await self._send(lambda connection: connection.send_headers(self.stream, fields))

    async def head(self, status, headers=None, *, framing="chunked", length=None):
        fields = [(":status", str(status)), *(headers or {}).items()]
        if framing == "length":
            fields.append(("content-length", str(length)))
        await self._send(lambda connection: connection.send_headers(self.stream, fields))

    async def write(self, data):
        while data:
            room = await self._session.room(self.stream, self)
            part, data = data[:room], data[room:]
            await self._send(lambda connection, part=part: connection.send_data(self.stream, part))
            self.sent += len(part)

    async def end(self, trailers=None):
        if trailers:
            fields = list(trailers.items())
            await self._send(lambda connection: connection.send_headers(self.stream, fields, end_stream=True))
        else:
            await self._send(lambda connection: connection.end_stream(self.stream))

    async def cut(self):
        await self._reset(h2.errors.ErrorCodes.INTERNAL_ERROR)

    async def refuse(self):
        await self._reset(h2.errors.ErrorCodes.REFUSED_STREAM)

    async def open_wide(self) -> None:
        """Takes as much as ever comes, read or not."""
        await self._send(lambda connection: connection.increment_flow_control_window(WIDE))
        await self._send(lambda connection: connection.increment_flow_control_window(WIDE, self.stream))

    async def _reset(self, code) -> None:
        await self._send(lambda connection: connection.reset_stream(self.stream, code))

    async def close(self):
        self._session.close()

    async def goaway(self, last_stream=None):
        await self._session.goaway(MOST_STREAMS if last_stream is None else last_stream)

    async def _send(self, act) -> None:
        if self.gone_in_loop.is_set():
            raise ClientGone
        try:
            act(self._session.connection)
            await self._session.flush()
        except (OSError, h2.exceptions.ProtocolError):
            raise ClientGone from None


class Session:
    """One connection: requests put together from frames, each script a task of its own."""

    def __init__(self, reader, writer, run):
        self.connection = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        )
        self._reader, self._writer, self._run = reader, writer, run
        self._exchanges: dict[int, Http2Exchange] = {}
        self._tasks: set[asyncio.Task] = set()
        self._window_moved = asyncio.Event()
        self.peer = writer.get_extra_info("peername")[1]

    async def serve(self) -> None:
        self.connection.initiate_connection()
        await self.flush()
        try:
            while data := await self._reader.read(65536):
                for event in self.connection.receive_data(data):
                    self._take(event)
                await self.flush()
        except (OSError, h2.exceptions.ProtocolError):
            pass
        finally:
            for exchange in self._exchanges.values():
                exchange.upload.break_off()
                exchange.note_gone()
            self._window_moved.set()
            self._writer.close()

    async def flush(self) -> None:
        if data := self.connection.data_to_send():
            self._writer.write(data)
            await self._writer.drain()

    async def goaway(self, last_stream: int) -> None:
        """Past the library, for which a GOAWAY is the end of all streams."""
        self._writer.write(hyperframe.frame.GoAwayFrame(last_stream_id=last_stream).serialize())
        await self._writer.drain()

    def close(self) -> None:
        self._writer.close()

    async def room(self, stream: int, exchange: Exchange) -> int:
        """How many bytes may go now; waits until it is more than none."""
        while not exchange.gone_in_loop.is_set():
            room = min(
                self.connection.local_flow_control_window(stream), self.connection.max_outbound_frame_size
            )
            if room > 0:
                return room
            self._window_moved.clear()
            await self._window_moved.wait()
        raise ClientGone

    def _take(self, event) -> None:
        match event:
            case h2.events.RequestReceived():
                self._start(event.stream_id, event.headers)
            case h2.events.DataReceived():
                self._exchanges[event.stream_id].upload.feed(event.data, event.flow_controlled_length)
                # A stream that is not read holds back nothing but itself.
                if event.flow_controlled_length:
                    self.connection.increment_flow_control_window(event.flow_controlled_length)
            case h2.events.TrailersReceived():
                self._exchanges[event.stream_id].upload.trailers = dict(event.headers)
            case h2.events.StreamEnded():
                self._exchanges[event.stream_id].upload.end()
            case h2.events.StreamReset():
                if exchange := self._exchanges.get(event.stream_id):
                    exchange.upload.break_off()
                    exchange.note_gone()
                self._window_moved.set()
            case h2.events.WindowUpdated() | h2.events.RemoteSettingsChanged():
                self._window_moved.set()

    def _start(self, stream: int, fields: list[tuple[str, str]]) -> None:
        named = dict(fields)
        headers = [(name, value) for name, value in fields if not name.startswith(":")]
        request = Request(named[":method"], named[":path"], headers, "h2")
        upload = Http2Upload(lambda count: self._open_window(stream, count))
        exchange = Http2Exchange(request, upload, self, stream)
        self._exchanges[stream] = exchange
        task = asyncio.create_task(self._run(exchange))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _open_window(self, stream: int, count: int) -> None:
        try:
            if count:
                self.connection.increment_flow_control_window(count, stream)
            await self.flush()
        except (OSError, h2.exceptions.ProtocolError):
            # The stream or its connection has ended: there is nothing left to open.
            pass
