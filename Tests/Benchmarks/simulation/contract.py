"""The control link's contract for Python, made from the .proto when it is first asked for."""

import importlib
import sys
import tempfile

from devfleet.workplace import REPOSITORY, FleetError
from grpc_tools import protoc

CONTRACT = REPOSITORY / "Sources" / "Protocol" / "Contract"


def _made():
    with tempfile.TemporaryDirectory(prefix="strait-contract-") as folder:
        arguments = ["", f"-I{CONTRACT}", f"--python_out={folder}", f"--grpc_python_out={folder}", "strait.proto"]
        if protoc.main(arguments) != 0:
            raise FleetError(f"the contract cannot be compiled; next: look at {CONTRACT / 'strait.proto'}")
        sys.path.insert(0, folder)
        try:
            return importlib.import_module("strait_pb2"), importlib.import_module("strait_pb2_grpc")
        finally:
            sys.path.remove(folder)


messages, services = _made()
