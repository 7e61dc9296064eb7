"""Builds the one program that holds every fuzz target: the edge's data path compiled for libFuzzer and
AddressSanitizer, with the checks that an optimised build leaves out (bounds of raw buffers among them).

SwiftPM cannot link libFuzzer without compiling every dependency for it, which takes a quarter of an hour. Here the
compiler is called directly, and what the contract's values depend on is taken from the release build."""

import hashlib
import os
import pathlib
import shutil
import subprocess

from devfleet.workplace import REPOSITORY, FleetError

FOLDER = REPOSITORY / ".build-fuzz"
PROGRAM = FOLDER / "fuzz"
RELEASE = REPOSITORY / ".build" / "release"
EDGE = REPOSITORY / "Sources" / "EdgeNode"
BINDINGS = ["CLinux", "COpenSSL", "CNghttp2"]
# The folders of the targets StraitProtocol and EdgeDataPath in Package.swift.
PROTOCOL = [REPOSITORY / "Sources" / "Protocol" / name for name in ("Contract", "Values")]
DATA_PATH = [EDGE / name for name in ("Transport", "Policy", "Relay", "Dialects")]
TARGETS = [REPOSITORY / "Tests" / "Fuzz"]

# What StraitProtocol depends on, and what that does in turn.
DEPENDENCIES = [
    "SwiftProtobuf", "Crypto", "CryptoBoringWrapper", "CCryptoBoringSSL", "CCryptoBoringSSLShims", "CXKCP", "CXKCPShims",
]  # fmt: skip

COMMON = ["-swift-version", "6", "-package-name", "strait", "-wmo", "-g", "-O", "-assert-config", "Debug"]
INSTRUMENTED = ["-sanitize=fuzzer,address"]


def build() -> None:
    """Compiles what has changed since the last time; done in a blink when nothing has."""
    FOLDER.mkdir(exist_ok=True)
    dependencies = [object_file for name in DEPENDENCIES for object_file in _released(name)]
    _write_module_map()
    interfaces = [RELEASE / "Modules" / f"{name}.swiftmodule" for name in ("SwiftProtobuf", "Crypto")]
    protocol = _module("StraitProtocol", PROTOCOL, [], changed_with=interfaces)
    data_path = _module("EdgeDataPath", DATA_PATH, [*INSTRUMENTED, "-enable-testing"], changed_with=[protocol, *_headers()])
    # The targets are checked for memory too, but their own branches are not what a fuzzer should search.
    targets = _module("FuzzTargets", TARGETS, ["-sanitize=address"], changed_with=[data_path])
    bindings = [_binding(source) for name in BINDINGS for source in sorted((EDGE / name).glob("*.c"))]
    _link([protocol, data_path, targets, *bindings, *dependencies])


def _released(dependency: str) -> list[pathlib.Path]:
    """The objects of a dependency that the release build made."""
    objects = sorted((RELEASE / f"{dependency}.build").rglob("*.o"))
    if not objects:
        raise FleetError(f"fuzzing takes {dependency} from the release build; next: infra/build")
    return objects


def _sources(folders: list[pathlib.Path]) -> list[pathlib.Path]:
    return sorted(file for folder in folders for file in folder.rglob("*.swift"))


def _headers() -> list[pathlib.Path]:
    return sorted(header for name in BINDINGS for header in (EDGE / name / "include").glob("*.h"))


def _module_map() -> pathlib.Path:
    return FOLDER / "module.modulemap"


def _write_module_map() -> None:
    modules = [f'module {name} {{ umbrella header "{EDGE / name / "include" / name}.h" export * }}' for name in BINDINGS]
    _module_map().write_text("\n".join(modules) + "\n")


def _module(name: str, folders: list[pathlib.Path], options: list[str], changed_with: list[pathlib.Path]) -> pathlib.Path:
    """One module as one object file, and its interface beside it."""
    sources = _sources(folders)
    object_file = FOLDER / f"{name}.o"
    command = [
        "swiftc", "-parse-as-library", "-c", "-module-name", name, *COMMON, *options,
        "-emit-module", "-emit-module-path", FOLDER / f"{name}.swiftmodule",
        "-I", FOLDER, "-I", RELEASE / "Modules",
        "-Xcc", f"-fmodule-map-file={_module_map()}", "-module-cache-path", FOLDER / "cache",
        "-o", object_file, *sources,
    ]  # fmt: skip
    _make(object_file, [*sources, *changed_with], command)
    return object_file


def _binding(source: pathlib.Path) -> pathlib.Path:
    """One C file of a binding."""
    object_file = FOLDER / f"{source.stem}.o"
    options = ["-c", "-g", "-O1", "-fsanitize=address", *(f"-I{EDGE / name / 'include'}" for name in BINDINGS)]
    _make(object_file, [source, *_headers()], [_clang(), *options, source, "-o", object_file])
    return object_file


def _clang() -> str:
    """The compiler of Swift's own toolchain."""
    swift = shutil.which("swift")
    if swift is None:
        raise FleetError("swift is not on the PATH; next: infra/setup test")
    return str(pathlib.Path(swift).resolve().parent / "clang")


def _link(objects: list[pathlib.Path]) -> None:
    libraries = ["-lssl", "-lcrypto", "-Xlinker", "-l:libnghttp2.a"]
    _make(PROGRAM, objects, ["swiftc", *INSTRUMENTED, "-use-ld=lld", "-o", PROGRAM, *objects, *libraries])


def _make(result: pathlib.Path, inputs: list[pathlib.Path], command: list) -> None:
    """Runs a command unless it ran before on the same inputs."""
    digest = hashlib.sha256("\0".join(map(str, command)).encode())
    for file in inputs:
        digest.update(_fingerprint(file))
    stamp = result.with_suffix(result.suffix + ".stamp")
    if result.exists() and stamp.exists() and stamp.read_text() == digest.hexdigest():
        return
    stamp.unlink(missing_ok=True)
    environment = {**os.environ, "SWIFT_BACKTRACE": "enable=no"}
    print(f"    compiling {result.name}", flush=True)
    done = subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        raise FleetError(f"{result.name} could not be made:\n" + "\n".join((done.stdout + done.stderr).splitlines()[-40:]))
    stamp.write_text(digest.hexdigest())


def _fingerprint(file: pathlib.Path) -> bytes:
    """Sources by what they hold; objects of the compiler by when they were made."""
    if file.suffix in (".swift", ".c", ".h"):
        return hashlib.sha256(file.read_bytes()).digest()
    status = file.stat()
    return f"{status.st_mtime_ns} {status.st_size}".encode()
