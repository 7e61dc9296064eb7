"""An edge that a test plays, in any version of the contract, at a real control plane."""

import contextlib
import queue
import threading
import uuid

from .contract import Contract, grpc
from .authority import certificate_request, ec, pem_of, x509, PEM

PATIENCE_SECONDS = 60


class PlayedEdge:
    def __init__(self, contract: Contract, control_plane, region: str):
        self.contract, self._control_plane = contract, control_plane
        key = ec.generate_private_key(ec.SECP256R1())
        authority = control_plane.authority_file.read_bytes()
        token = control_plane.operator("edge", "invite", "--region", region)["token"]
        request = contract.EnrolRequest(
            join_token=token,
            certificate_request_der=certificate_request(key),
            software_version="played",
            base_url=f"https://played-{uuid.uuid4()}.invalid/v1",
        )
        with grpc.secure_channel(
            control_plane.enrolment_address, grpc.ssl_channel_credentials(authority)
        ) as channel:
            answer = contract.call(channel, "Enrolment", "Enrol")(request, timeout=PATIENCE_SECONDS)
        self.id, self.region = str(uuid.UUID(bytes=answer.edge_id)), answer.region
        chain = b"".join(
            x509.load_der_x509_certificate(der).public_bytes(PEM) for der in answer.certificate_chain_der
        )
        self._credentials = grpc.ssl_channel_credentials(authority, pem_of(key), chain)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._control_plane.operator("edge", "evict", self.id)

    @property
    def row(self) -> dict:
        """What the fleet view says of it."""
        return next(row for row in self._control_plane.operator("edge", "list") if row["id"] == self.id)

    def ship(self, batch):
        with grpc.secure_channel(self._control_plane.grpc_address, self._credentials) as channel:
            return self.contract.call(channel, "Usage", "Ship")(batch, timeout=PATIENCE_SECONDS)

    @contextlib.contextmanager
    def following(self, **hello):
        with grpc.secure_channel(self._control_plane.grpc_address, self._credentials) as channel:
            yield Following(self.contract, channel, hello)


class Following:
    """One stream: what is said up, and the updates that come down."""

    def __init__(self, contract: Contract, channel, hello: dict):
        self.contract = contract
        self._up: queue.Queue = queue.Queue()
        self._down: queue.Queue = queue.Queue()
        self.say(hello=contract.ConfigurationHello(software_version="played", **hello))
        stream = contract.call(channel, "Configuration", "Follow")(iter(self._up.get, None))
        threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    def say(self, **event) -> None:
        self._up.put(self.contract.ConfigurationStatus(**event))

    def next(self) -> list:
        """The parts of the next update. An error where the stream ends instead."""
        parts = []
        while not parts or not parts[-1].last:
            part = self._down.get(timeout=PATIENCE_SECONDS)
            if isinstance(part, Exception):
                raise part
            parts.append(part)
        return parts

    def until(self, holds) -> list:
        """The first update of which `holds` is true; what comes before is acknowledged on the way, as it is itself."""
        while True:
            parts = self.next()
            self.acknowledge(parts[-1].version)
            if holds(parts):
                return parts

    def acknowledge(self, version: int, **content) -> None:
        self.say(acknowledgement=self.contract.ConfigurationAcknowledgement(version=version, **content))

    def _read(self, stream) -> None:
        try:
            for part in stream:
                self._down.put(part)
            self._down.put(EOFError("the control plane closed the stream"))
        except grpc.RpcError as error:
            self._down.put(error)
