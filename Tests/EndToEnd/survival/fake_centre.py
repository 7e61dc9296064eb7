"""A control plane that a test plays, in any version of the contract, for real edges."""

import concurrent.futures
import pathlib
import queue
import threading
import uuid

from .contract import Contract, grpc
from .authority import Authority

OPTIONS = [
    ("grpc.so_reuseport", 0),
    # Edges ask after ten quiet seconds whether anybody is there.
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 1000),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.max_send_message_length", -1),
]


class FakeCentre:
    """Has what an `Edge` of the fleet's wants of a control plane. Says to edges what the test says."""

    def __init__(self, contract: Contract, folder: pathlib.Path, region: str):
        self._contract, self._region = contract, region
        self._edge = uuid.uuid4()
        self._authority = Authority()
        self.authority_file = folder / "fake-authority.pem"
        self.authority_file.write_bytes(self._authority.pem)
        self.greeting: list = []
        """Said to an edge after its hello."""
        self.hellos: list = []
        self.answers: list = []
        """The acknowledgements and refusals, in their order."""
        self.reports = 0
        self.records: dict[tuple[int, int], object] = {}
        self._streams: set[queue.Queue] = set()
        self._lock = threading.Lock()
        self._servers: list[grpc.Server] = []
        self.grpc_address = self.enrolment_address = ""
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self) -> None:
        """At the same addresses as before, if it ran before."""
        contract, pair = self._contract, self._authority.server()
        mutual = grpc.ssl_server_credentials([pair], self._authority.pem, require_client_auth=True)
        link = [
            contract.handler("Configuration", "Follow", self._follow),
            contract.handler("Usage", "Ship", self._ship),
        ]
        self.grpc_address = self._serve(link, mutual, self.grpc_address)
        newcomers = [contract.handler("Enrolment", "Enrol", self._enrol)]
        self.enrolment_address = self._serve(newcomers, grpc.ssl_server_credentials([pair]), self.enrolment_address)

    def stop(self) -> None:
        with self._lock:
            for stream in self._streams:
                stream.put(None)
        for server in self._servers:
            server.stop(0).wait(30)
        self._servers.clear()

    def say(self, *updates) -> None:
        """To every edge that follows."""
        with self._lock:
            for stream in self._streams:
                for update in updates:
                    stream.put(update)

    def operator(self, *_) -> dict:
        """What an `Edge` asks for at its first start."""
        return {"token": "a-token"}

    def _serve(self, handlers, credentials, address: str) -> str:
        server = grpc.server(concurrent.futures.ThreadPoolExecutor(8), handlers=handlers, options=OPTIONS)
        port = server.add_secure_port(address or "127.0.0.1:0", credentials)
        server.start()
        self._servers.append(server)
        return f"127.0.0.1:{port}"

    # MARK: the services

    def _enrol(self, request, _context):
        leaf = self._authority.edge(request.certificate_request_der, self._region, self._edge)
        return self._contract.EnrolResponse(
            edge_id=self._edge.bytes,
            region=self._region,
            certificate_chain_der=[leaf],
            authority_der=self._authority.der,
        )

    def _follow(self, statuses, context):
        stream: queue.Queue = queue.Queue()
        hello = next(statuses).hello
        reader = threading.Thread(target=self._read, args=(statuses, stream), daemon=True)
        reader.start()
        with self._lock:
            self._streams.add(stream)
            self.hellos.append(hello)
            greeting = list(self.greeting)
        try:
            yield from greeting
            while (update := stream.get()) is not None and context.is_active():
                yield update
        finally:
            with self._lock:
                self._streams.discard(stream)

    def _read(self, statuses, stream: queue.Queue) -> None:
        try:
            for status in statuses:
                kind = status.WhichOneof("event")
                if kind == "report":
                    self.reports += 1
                elif kind in ("acknowledgement", "refusal"):
                    self.answers.append(getattr(status, kind))
        except grpc.RpcError:
            pass
        finally:
            stream.put(None)

    def _ship(self, batch, _context):
        with self._lock:
            for offset, record in enumerate(batch.records):
                self.records[(batch.epoch, batch.first_sequence + offset)] = record
        return self._contract.UsageWatermark(
            epoch=batch.epoch, sequence=batch.first_sequence + len(batch.records) - 1
        )
