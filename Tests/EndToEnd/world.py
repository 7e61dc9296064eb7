"""The fleet under test and the clients that use it."""

import json
import pathlib
import ssl
import subprocess
import urllib.request

import anthropic as anthropic_sdk
import httpx
import openai as openai_sdk
from devfleet.catalogue import DEVELOPMENT_OFFERS, Offer, Upstream, development_upstreams
from devfleet.edges import Edge
from devfleet.fleet import REGIONS, Fleet
from devfleet.ports import free_port
from devfleet.processes import wait_until
from devfleet.workplace import write_private
from scripted import ScriptedUpstream
from smuggling.upstream import CountingUpstream

# Prices that make every token visible in the cost: USD per million tokens.
INPUT_PRICE, OUTPUT_PRICE = "2.5", "10"
MAPPED_NAME = "the-upstreams-own-name"
WAYS = {"http1": "http1", "http1_tls": "http1", "http2": "http2", "http2_tls": "negotiated"}
HOME = "us-east"
# One edge has limits that a test can reach, and one that attackers can reach; the others have those of production.
STRICT, BESIEGED = "ap-southeast", "us-west"
STRICT_LIMITS = {
    "gap_between_chunks_seconds": 3,
    "gap_inside_body_seconds": 3,
    "header_block_seconds": 3,
    "request_body_bytes": 4 << 20,
}
BESIEGED_LIMITS = {
    "handshake_seconds": 3,
    "header_block_seconds": 3,
    "slow_reader_seconds": 3,
    "slow_reader_floor_seconds": 2,
    # Of the process: less than what 100 attackers would have it hold.
    "held_body_bytes": 8 << 20,
}


class World:
    def __init__(self, folder: pathlib.Path):
        limits = {STRICT: STRICT_LIMITS, BESIEGED: BESIEGED_LIMITS}
        settings = {region: {"limits": values} for region, values in limits.items()}
        self.fleet = Fleet(
            folder,
            regions=(*REGIONS, BESIEGED),
            edge_settings=settings,
            control_plane_settings={"rollout": {"dwell_seconds": 2}},
        )
        self.scripted = ScriptedUpstream(*self.fleet.authority.issue("scripted-upstream"))
        self.counting = CountingUpstream()
        self.trust = ssl.create_default_context(cafile=str(self.fleet.ca_file))
        self.credential = "scripted-upstream-credential"
        self.key = ""

    def start(self) -> None:
        fleet = self.fleet
        fleet.start_database()
        fleet.start_providers()
        fleet.control_plane.start()
        self._fill()
        fleet.start_edges()
        fleet.wait_for_configuration(self.key, {"scripted", "scripted-claude", "gemma3-270m"})
        fleet.wait_for_providers()

    def stop(self) -> None:
        self.fleet.stop()
        self.scripted.close()
        self.counting.close()

    def revive(self) -> list[str]:
        """Starts what should run and does not. Returns what had ended, with its last lines."""
        fleet, died = self.fleet, []
        for part in (fleet.postgres, fleet.control_plane, *fleet.edges.values()):
            if not part.child.running:
                died.append(f"{part.child.name} {part.child.exit_text()}\n{part.child.last_lines()}")
                part.start()
        return died

    def _fill(self) -> None:
        fleet, catalogue = self.fleet, self.fleet.catalogue
        credential = fleet.folder / "scripted-credential"
        write_private(credential, self.credential + "\n")
        catalogue.apply_regions()
        catalogue.add_upstreams(
            [
                *development_upstreams(
                    fleet.model_server.url, fleet.mock_provider.url, fleet.provider_credential_file()
                ),
                *(
                    Upstream(
                        f"scripted-{way.replace('_', '-')}",
                        HOME,
                        self.scripted.url(way),
                        version,
                        "bearer",
                        credential,
                        fleet.ca_file if way.endswith("_tls") else None,
                    )
                    for way, version in WAYS.items()
                ),
                Upstream(
                    "scripted-claude", "eu-west", self.scripted.url("http1"), "http1", "api-key", credential
                ),
                Upstream("counting", HOME, self.counting.url),
                Upstream("nowhere", HOME, f"http://127.0.0.1:{free_port()}"),
            ]
        )
        catalogue.add_offers(
            [
                *DEVELOPMENT_OFFERS,
                Offer(
                    "scripted",
                    "scripted-http1",
                    "openai",
                    INPUT_PRICE,
                    OUTPUT_PRICE,
                    MAPPED_NAME,
                ),
                *(
                    Offer(
                        f"scripted-{way.replace('_', '-')}",
                        f"scripted-{way.replace('_', '-')}",
                        "openai",
                        INPUT_PRICE,
                        OUTPUT_PRICE,
                    )
                    for way in WAYS
                ),
                *(
                    Offer(
                        f"mapped-{way.replace('_', '-')}",
                        f"scripted-{way.replace('_', '-')}",
                        "openai",
                        INPUT_PRICE,
                        OUTPUT_PRICE,
                        MAPPED_NAME,
                    )
                    for way in WAYS
                ),
                Offer("scripted-claude", "scripted-claude", "anthropic", INPUT_PRICE, OUTPUT_PRICE),
                Offer("counting", "counting", "openai", INPUT_PRICE, OUTPUT_PRICE),
                Offer("nowhere", "nowhere", "openai", INPUT_PRICE, OUTPUT_PRICE),
            ]
        )
        catalogue.ensure_team("tests")
        self.key = catalogue.ensure_key("tests", fleet.folder / "tests-key.txt")

    # MARK: clients

    def edge(self, region: str | Edge = HOME) -> Edge:
        """The fleet's edge of a region; an edge itself where a test has one of its own."""
        return region if isinstance(region, Edge) else self.fleet.edges[region]

    def url(self, path: str, region=HOME) -> str:
        return self.edge(region).base_url + path

    def openai(self, region=HOME, *, key=None, http2=False, retries=0) -> openai_sdk.OpenAI:
        return openai_sdk.OpenAI(
            base_url=self.edge(region).base_url,
            api_key=key or self.key,
            max_retries=retries,
            http_client=openai_sdk.DefaultHttpxClient(verify=self.trust, http2=http2),
        )

    def openai_async(self, region=HOME, *, http2=False) -> openai_sdk.AsyncOpenAI:
        return openai_sdk.AsyncOpenAI(
            base_url=self.edge(region).base_url,
            api_key=self.key,
            max_retries=0,
            http_client=openai_sdk.DefaultAsyncHttpxClient(verify=self.trust, http2=http2),
        )

    def anthropic(self, region=HOME, *, key=None, http2=False, retries=0) -> anthropic_sdk.Anthropic:
        return anthropic_sdk.Anthropic(
            base_url=self.edge(region).base_url,
            api_key=key or self.key,
            max_retries=retries,
            http_client=anthropic_sdk.DefaultHttpxClient(verify=self.trust, http2=http2),
        )

    def anthropic_async(self, region=HOME, *, http2=False) -> anthropic_sdk.AsyncAnthropic:
        client = anthropic_sdk.DefaultAsyncHttpxClient(verify=self.trust, http2=http2)
        return anthropic_sdk.AsyncAnthropic(
            base_url=self.edge(region).base_url, api_key=self.key, max_retries=0, http_client=client
        )

    def http(self, region=HOME, *, key=None, http2=False, **options) -> httpx.Client:
        """A plain client, for requests that an SDK would never send."""
        headers = {"authorization": f"Bearer {key or self.key}"}
        return httpx.Client(
            base_url=self.edge(region).base_url,
            headers=headers,
            verify=self.trust,
            http2=http2,
            timeout=60,
            **options,
        )

    def curl(self, *arguments, region=HOME) -> subprocess.CompletedProcess:
        """curl with the fleet's authority; the key comes from a file, as it would from a careful person."""
        secret = self.fleet.folder / "curl-authorization"
        write_private(secret, f"authorization: Bearer {self.key}\n")
        command = [
            "curl",
            "--silent",
            "--show-error",
            "--cacert",
            str(self.fleet.ca_file),
            "-H",
            f"@{secret}",
        ]
        return subprocess.run([*command, *arguments], capture_output=True, text=True)

    # MARK: what the control plane knows

    def new_key(self) -> tuple[str, str]:
        """A key of its own for a test, known to every edge, and its public id."""
        document = self.fleet.control_plane.operator("key", "create", "--team", "tests")
        for edge in self.fleet.edges.values():
            wait_until(
                lambda edge=edge: edge.status_of_models(document["key"])[0] == 200, "the edges know a new key"
            )
        return document["key"], document["summary"]["public_id"]

    def record(self, request_id: str) -> dict:
        """The one usage record of an exchange, as soon as it has come through."""
        records = wait_until(
            lambda: self.fleet.control_plane.usage(request_id), f"the record of {request_id}", every=0.1
        )
        assert len(records) == 1
        return records[0]

    # MARK: the mock provider

    def mock(self, *behaviours: dict) -> None:
        """Orders faults from the mock provider; `reset` forgets those that are left."""
        self._post("/_llmock/reset", {})
        if behaviours:
            self._post("/_llmock/scenario", {"behaviors": list(behaviours)})

    def mock_verdict(self) -> dict:
        """How the mock provider judges its client since the last `mock`."""
        with urllib.request.urlopen(f"{self.fleet.mock_provider.url}/_llmock/verdict", timeout=10) as answer:
            return json.load(answer)

    def _post(self, path: str, document: dict) -> None:
        request = urllib.request.Request(
            self.fleet.mock_provider.url + path,
            json.dumps(document).encode(),
            {"content-type": "application/json"},
        )
        urllib.request.urlopen(request, timeout=10).close()


def chat_request(model="scripted", stream=False, content="Hello", **more) -> dict:
    return {
        "model": model,
        "messages": [{"role": "user", "content": content}],
        **({"stream": True} if stream else {}),
        **more,
    }


def message_request(model="scripted-claude", stream=False, content="Hello") -> dict:
    return {
        "model": model,
        "max_tokens": 50,
        "messages": [{"role": "user", "content": content}],
        **({"stream": True} if stream else {}),
    }


def events(text: str) -> list[str]:
    """The data of a stream's events, in order."""
    return [line.removeprefix("data:").strip() for line in text.splitlines() if line.startswith("data:")]
