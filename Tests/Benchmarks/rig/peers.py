"""The proxies that the edge is measured beside, each as its manual sets it up for plain proxying on one thread:
TLS with tickets, HTTP/2 and HTTP/1.1 by ALPN, no access log, standing connections to the upstream."""

import getpass
import json
import pathlib
import re
import subprocess

from devfleet.ports import free_port
from devfleet.processes import Child, wait_until
from devfleet.workplace import WORK, FleetError

from . import account

QUIET_SECONDS = 600
CONNECTIONS = 9_000
UPSTREAM_STREAMS = 100
"""What the upstream allows a connection. Envoy asks for more until it has read the upstream's settings."""


class Peer:
    """A proxy in front of one upstream. Subclasses say how it is started."""

    name = ""
    version_command: list[str] = []
    environment: dict[str, str] = {}
    start_seconds = 60

    def __init__(self, folder: pathlib.Path, upstream_port: int, pair, api_key: str, core: int):
        """`pair` is the certificate and its key; `api_key` what clients show."""
        self._folder = folder / type(self).__name__.lower()
        self._upstream_port, self._core = upstream_port, core
        self._certificate, self._key = pair
        self._api_key = api_key
        self._port = free_port()
        self.child = None

    @property
    def pid(self) -> int:
        return self.child.pid

    def url(self, path: str, upstream="http2") -> str:
        return f"https://127.0.0.1:{self._port}/v1{path}"

    def start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        command = ["taskset", "-c", self._core, *self.command()]
        self.child = Child(self.name, command, self._folder / "log", environment=self.environment)
        wait_until(self.ready, f"{self.name} is ready", seconds=self.start_seconds, children=[self.child])

    def ready(self) -> bool:
        return account.listens(self._port)

    def stop(self) -> None:
        if self.child:
            self.child.stop()

    def restart(self) -> None:
        self.stop()
        self.start()

    def command(self) -> list:
        raise NotImplementedError

    @classmethod
    def version(cls) -> str:
        result = subprocess.run(cls.version_command, capture_output=True, text=True)
        number = re.search(r"\d+\.\d+\.\d+", result.stdout + result.stderr)
        return f"{cls.name} {number[0] if number else '?'}"


class Nghttpx(Peer):
    name = "nghttpx"
    version_command = ["nghttpx", "--version"]

    def command(self) -> list:
        return [
            *("nghttpx", "--workers=1", "--single-process", "--no-via", "--no-server-rewrite"),
            f"--frontend=127.0.0.1,{self._port}",
            f"--backend=127.0.0.1,{self._upstream_port};;proto=h2",
            *("--accesslog-file=/dev/null", "--errorlog-file=/dev/null", "--conf=/dev/null"),
            *("--no-ocsp", f"--backend-read-timeout={QUIET_SECONDS}", f"--rlimit-nofile={CONNECTIONS}"),
            f"--stream-read-timeout={QUIET_SECONDS}",
            *("--tls-min-proto-version=TLSv1.2", self._key, self._certificate),
        ]


class HAProxy(Peer):
    """Listens twice: in front of HTTP/2 and of HTTP/1.1 to the upstream."""

    name = "HAProxy"
    version_command = ["haproxy", "-v"]

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._http1_port = free_port()

    def url(self, path: str, upstream="http2") -> str:
        port = self._port if upstream == "http2" else self._http1_port
        return f"https://127.0.0.1:{port}/v1{path}"

    def command(self) -> list:
        pair = self._folder / "pair.pem"
        pair.touch(mode=0o600)
        pair.write_text(self._certificate.read_text() + self._key.read_text())
        file = self._folder / "haproxy.cfg"
        file.write_text(
            f"global\n  nbthread 1\n  maxconn {CONNECTIONS}\n  ssl-default-bind-options ssl-min-ver TLSv1.2\n"
            f"defaults\n  mode http\n  http-reuse always\n  timeout connect 10s\n"
            f"  timeout client {QUIET_SECONDS}s\n  timeout server {QUIET_SECONDS}s\n"
            + self._pair_of("http2", self._port, pair, " proto h2")
            + self._pair_of("http1", self._http1_port, pair, "")
        )
        return ["haproxy", "-db", "-f", file]

    def _pair_of(self, name, port, pair, options) -> str:
        return (
            f"frontend {name}\n  bind 127.0.0.1:{port} ssl crt {pair} alpn h2,http/1.1\n"
            f"  default_backend {name}\n"
            f"backend {name}\n  server upstream 127.0.0.1:{self._upstream_port}{options}\n"
        )


class Nginx(Peer):
    """Speaks HTTP/1.1 alone to upstreams."""

    name = "nginx"
    version_command = ["nginx", "-v"]

    def command(self) -> list:
        folder, file = self._folder, self._folder / "nginx.conf"
        paths = "".join(
            f"  {kind}_temp_path {folder}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        file.write_text(
            f"daemon off;\nworker_processes 1;\npid {folder}/pid;\nerror_log {folder}/error.log crit;\n"
            f"user {getpass.getuser()};\nworker_rlimit_nofile {2 * CONNECTIONS};\n"
            f"events {{ worker_connections {CONNECTIONS}; }}\nhttp {{\n{paths}"
            "  access_log off;\n  keepalive_requests 1000000000;\n"
            f"  keepalive_timeout {QUIET_SECONDS}s;\n"
            f"  upstream origin {{ server 127.0.0.1:{self._upstream_port}; keepalive 1000;"
            " keepalive_requests 1000000000; }\n"
            "  server {\n"
            f"    listen 127.0.0.1:{self._port} ssl http2 backlog=4096;\n"
            f"    ssl_certificate {self._certificate};\n    ssl_certificate_key {self._key};\n"
            "    ssl_protocols TLSv1.2 TLSv1.3;\n    ssl_session_tickets on;\n"
            "    location / {\n"
            "      proxy_pass http://origin;\n      proxy_http_version 1.1;\n"
            '      proxy_set_header Connection "";\n      proxy_max_temp_file_size 0;\n'
            f"      proxy_read_timeout {QUIET_SECONDS}s;\n    }}\n  }}\n}}\n"
        )
        return ["nginx", "-p", folder, "-e", folder / "start.log", "-c", file]


class Envoy(Peer):
    name = "Envoy"
    version_command = [str(WORK / "venv-peers" / "bin" / "envoy"), "--version"]

    def command(self) -> list:
        program = pathlib.Path(self.version_command[0])
        if not program.exists():
            raise FleetError("Envoy is not installed; next: infra/setup bench")
        file = self._folder / "envoy.json"
        file.write_text(json.dumps({"static_resources": self._resources()}, indent=2))
        return [program, "-c", file, "--concurrency", 1, "--disable-hot-restart", "--log-level", "error"]

    def _resources(self) -> dict:
        extensions = "type.googleapis.com/envoy.extensions"
        limit = [{"priority": "DEFAULT", **dict.fromkeys(THRESHOLDS, CONNECTIONS)}]
        versions = f"{extensions}.upstreams.http.v3.HttpProtocolOptions"
        router = {"@type": f"{extensions}.filters.http.router.v3.Router"}
        routes = [{"match": {"prefix": "/"}, "route": {"cluster": "upstream", "timeout": "0s"}}]
        manager = {
            "@type": f"{extensions}.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "bench",
            "stream_idle_timeout": f"{QUIET_SECONDS}s",
            "http_filters": [{"name": "router", "typed_config": router}],
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        }
        pair = {
            "certificate_chain": {"filename": str(self._certificate)},
            "private_key": {"filename": str(self._key)},
        }
        tls = {
            "@type": f"{extensions}.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {"tls_certificates": [pair], "alpn_protocols": ["h2", "http/1.1"]},
        }
        listener = {
            "name": "bench",
            "address": _address(self._port),
            "tcp_backlog_size": 4096,
            "filter_chains": [
                {
                    "transport_socket": {"name": "tls", "typed_config": tls},
                    "filters": [{"name": "http", "typed_config": manager}],
                }
            ],
        }
        endpoint = {"endpoint": {"address": _address(self._upstream_port)}}
        cluster = {
            "name": "upstream",
            "type": "STATIC",
            "circuit_breakers": {"thresholds": limit},
            "typed_extension_protocol_options": {
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                    "@type": versions,
                    "explicit_http_config": {
                        "http2_protocol_options": {"max_concurrent_streams": UPSTREAM_STREAMS}
                    },
                }
            },
            "load_assignment": {"cluster_name": "upstream", "endpoints": [{"lb_endpoints": [endpoint]}]},
        }
        return {"listeners": [listener], "clusters": [cluster]}


THRESHOLDS = ("max_connections", "max_pending_requests", "max_requests")
ALL = (Nghttpx, HAProxy, Nginx, Envoy)


def _address(port: int) -> dict:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
