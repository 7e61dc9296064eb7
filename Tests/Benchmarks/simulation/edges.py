"""Edges of a simulated fleet: enrolled like real ones, they follow the configuration and the revocations, acknowledge
what comes, and note when it came."""

import asyncio
import contextlib
import random
import time

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from .contract import messages, services
from .hearing import Hearing

CONTRACT_LEVEL = 4
PACKED_KEY_BYTES = 72
REPORT_SECONDS = 5.0
# As a real edge waits before it comes again; see EdgeNode/Uplink/Link/Backoff.swift.
FIRST_WAIT, LONGEST_WAIT = 0.2, 3.0
OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    # A connection of its own for each edge, as each is a process of its own in the field.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
]


class SimulatedEdge:
    def __init__(self, address: str, credentials: grpc.ChannelCredentials):
        self.address, self._credentials = address, credentials
        self.lineage, self.version = b"", 0
        self.keys, self.revocations = Hearing(), Hearing()
        """Where it notes keys that came or went, in deltas alone, and revocations. A fleet shares them."""
        self.in_step = asyncio.Event()
        """Set by the first whole update of a stream."""
        self._last_revocation = 0
        self._statuses: asyncio.Queue = asyncio.Queue()

    def holds_what(self, other: "SimulatedEdge") -> None:
        """As if it had everything that the other one has, on its disk."""
        self.lineage, self.version = other.lineage, other.version

    async def follow(self, *, again=True, revocations=True) -> None:
        """Follows until cancelled, over one connection after the other."""
        wait = FIRST_WAIT
        while True:
            with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                async with grpc.aio.secure_channel(self.address, self._credentials, options=OPTIONS) as channel:
                    streams = [self._follow_configuration(channel)]
                    if revocations:
                        streams.append(self._watch_revocations(channel))
                    await asyncio.gather(*streams)
            self.in_step.clear()
            if not again:
                return
            await asyncio.sleep(random.uniform(wait / 2, wait))
            wait = min(wait * 2, LONGEST_WAIT)

    async def _follow_configuration(self, channel) -> None:
        hello = messages.ConfigurationHello(
            lineage=self.lineage,
            version=self.version,
            software_version="simulated",
            base_url="https://simulated.invalid",
            contract=CONTRACT_LEVEL,
        )
        self._statuses = asyncio.Queue()
        self._say(hello=hello)
        async for update in services.ConfigurationStub(channel).Follow(self._up()):
            self._receive(update)

    async def _up(self):
        while True:
            try:
                yield await asyncio.wait_for(self._statuses.get(), REPORT_SECONDS)
            except TimeoutError:
                yield messages.ConfigurationStatus(report=messages.EdgeReport())

    def _receive(self, update) -> None:
        if update.from_version:
            self._note_changes(update, time.monotonic())
        if update.last:
            self.lineage, self.version = update.lineage, update.version
            self._say(acknowledgement=messages.ConfigurationAcknowledgement(version=update.version))
            self._say(report=messages.EdgeReport())
            self.in_step.set()

    def _note_changes(self, delta, now: float) -> None:
        for resource in delta.upserts:
            if resource.HasField("key"):
                self.keys.note(resource.key.id, self, now)
        packed = delta.packed_keys
        for start in range(0, len(packed), PACKED_KEY_BYTES):
            self.keys.note(packed[start : start + 16], self, now)
        for removal in delta.removals:
            if removal.HasField("key"):
                self.keys.note(removal.key, self, now)

    def _say(self, **event) -> None:
        self._statuses.put_nowait(messages.ConfigurationStatus(**event))

    async def _watch_revocations(self, channel) -> None:
        statuses: asyncio.Queue = asyncio.Queue()
        hello = messages.RevocationHello(lineage=self.lineage, number=self._last_revocation)
        statuses.put_nowait(messages.RevocationStatus(hello=hello))

        async def up():
            while True:
                yield await statuses.get()

        try:
            async for revocation in services.RevocationsStub(channel).Watch(up()):
                self.revocations.note(revocation.key_id or revocation.team_id, self, time.monotonic())
                self._last_revocation = revocation.number
                acknowledgement = messages.RevocationAcknowledgement(number=revocation.number)
                statuses.put_nowait(messages.RevocationStatus(acknowledgement=acknowledgement))
        except grpc.aio.AioRpcError as error:
            # A control plane that does not serve the lane yet.
            if error.code() != grpc.StatusCode.UNIMPLEMENTED:
                raise
            await asyncio.Event().wait()


async def enrol(address: str, link: str, authority: bytes, token: str) -> SimulatedEdge:
    """A new edge by its join token, which will follow at `link`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "strait edge")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    async with grpc.aio.secure_channel(address, grpc.ssl_channel_credentials(authority)) as channel:
        answer = await services.EnrolmentStub(channel).Enrol(
            messages.EnrolRequest(
                join_token=token,
                certificate_request_der=request.public_bytes(serialization.Encoding.DER),
                software_version="simulated",
                base_url="https://simulated.invalid",
            )
        )
    chain = b"".join(
        x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM)
        for der in answer.certificate_chain_der
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return SimulatedEdge(link, grpc.ssl_channel_credentials(authority, private, chain))
