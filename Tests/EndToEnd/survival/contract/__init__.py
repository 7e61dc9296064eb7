"""The control link's contract in several versions at once: the present one, the one before, and one to come.

Each version has a descriptor pool of its own, because they share their names. The packages for gRPC are in the
environment of simulated edges, which `make run` has no need of.
"""

import os
import pathlib
import site
import tempfile

from devfleet.workplace import REPOSITORY, FleetError, python_of

_control = python_of("control").parents[1]
for _folder in _control.glob("lib/python3*/site-packages"):
    site.addsitedir(str(_folder))

# Its handlers would start threads in a child that is about to become another program, and abort it now and then.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import grpc  # noqa: E402
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # noqa: E402
from grpc_tools import protoc  # noqa: E402

PRESENT = REPOSITORY / "Sources" / "Protocol" / "Contract" / "strait.proto"
PREVIOUS = pathlib.Path(__file__).parent / "previous" / "strait.proto"
"""As it was before packed keys, renewal, revocations and peers: what the edges and control planes of then speak."""


class Contract:
    """Messages by their names, and calls by service and method."""

    def __init__(self, source: str):
        self._pool = descriptor_pool.DescriptorPool()
        for file in _compiled(source).file:
            self._pool.Add(file)

    def __getattr__(self, name: str):
        return message_factory.GetMessageClass(self._pool.FindMessageTypeByName(f"strait.v1.{name}"))

    def call(self, channel: grpc.Channel, service: str, name: str):
        method, kind = self._method(service, name)
        answer = message_factory.GetMessageClass(method.output_type)
        return getattr(channel, kind)(
            f"/strait.v1.{service}/{name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )

    def handler(self, service: str, name: str, behaviour) -> grpc.GenericRpcHandler:
        method, kind = self._method(service, name)
        asked = message_factory.GetMessageClass(method.input_type)
        handler = getattr(grpc, f"{kind}_rpc_method_handler")(
            behaviour,
            request_deserializer=asked.FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )
        return grpc.method_handlers_generic_handler(f"strait.v1.{service}", {name: handler})

    def _method(self, service: str, name: str):
        method = self._pool.FindServiceByName(f"strait.v1.{service}").methods_by_name[name]
        up, down = ("stream" if streams else "unary" for streams in (method.client_streaming, method.server_streaming))
        return method, f"{up}_{down}"


def present() -> Contract:
    return Contract(PRESENT.read_text())


def previous() -> Contract:
    return Contract(PREVIOUS.read_text())


def to_come() -> Contract:
    """The present one with what nobody has thought of yet."""
    text = PRESENT.read_text()
    for before, after in {
        "message ConfigurationUpdate {": "  string mood = 1000;",
        "message ConfigurationHello {": "  string mood = 1000;",
        "message ConfigurationStatus {": "  string mood = 1000;",
        "message EdgeReport {": "  uint64 mood = 1000;",
        "message Team {": "  string motto = 1000;",
        "message UsageBatch {": "  string mood = 1000;",
        "message UsageRecord {": "  uint64 thoughts = 1000;",
        "enum Dialect {": "  DIALECT_TO_COME = 9;",
        "enum UsageSource {": "  USAGE_SOURCE_TO_COME = 9;",
    }.items():
        assert before in text, before
        # An enum begins with its zero.
        text = text.replace(before, f"{before}\n{after}\n") if before[0] == "m" else _after_zero(text, before, after)
    return Contract(text)


def _after_zero(text: str, before: str, after: str) -> str:
    zero = text.index("= 0;", text.index(before)) + len("= 0;")
    return f"{text[:zero]}\n{after}\n{text[zero:]}"


def _compiled(source: str) -> descriptor_pb2.FileDescriptorSet:
    with tempfile.TemporaryDirectory(prefix="strait-contract-") as name:
        folder = pathlib.Path(name)
        (folder / "strait.proto").write_text(source)
        out = folder / "descriptors"
        if protoc.main(["", f"-I{folder}", f"--descriptor_set_out={out}", "strait.proto"]) != 0:
            raise FleetError("the contract cannot be compiled")
        return descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())
