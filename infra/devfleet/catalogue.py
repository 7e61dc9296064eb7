"""What a development fleet offers, told to the control plane with the `strait` command. Safe to apply
again."""

import dataclasses
import pathlib

from .control_plane import ControlPlane
from .workplace import REGIONS, FleetError, write_private


@dataclasses.dataclass(frozen=True)
class Upstream:
    name: str
    region: str
    url: str
    http_version: str = "http1"
    credential_style: str = "none"
    credential_file: pathlib.Path | None = None
    ca_file: pathlib.Path | None = None
    network: str = "private"


@dataclasses.dataclass(frozen=True)
class Offer:
    """Prices are USD per million tokens, as text, so that no rounding comes between."""

    model: str
    upstream: str
    dialect: str
    input_price: str
    output_price: str
    upstream_model: str | None = None
    weight: int | None = None


def development_upstreams(model_url: str, mock_url: str, credential_file: pathlib.Path) -> list[Upstream]:
    return [
        Upstream("model-server", "us-east", model_url),
        Upstream("llmock-openai", "us-east", mock_url, "http1", "bearer", credential_file),
        Upstream("llmock-anthropic", "us-east", f"{mock_url}/anthropic", "http1", "api-key", credential_file),
    ]


DEVELOPMENT_OFFERS = [
    Offer("gemma3-270m", "model-server", "openai", "0.10", "0.40"),
    Offer("gpt-4o-mini", "llmock-openai", "openai", "0.15", "0.60"),
    Offer("text-embedding-3-small", "llmock-openai", "openai", "0.02", "0"),
    Offer("claude-sonnet-5", "llmock-anthropic", "anthropic", "3", "15"),
]


class Catalogue:
    def __init__(self, control_plane: ControlPlane):
        self._control_plane = control_plane

    def apply_regions(self, folder: pathlib.Path = REGIONS) -> None:
        self._control_plane.operator("region", "apply", folder)

    def add_upstreams(self, upstreams: list[Upstream]) -> None:
        known = {upstream["name"]: upstream["url"] for upstream in self._list("upstream")}
        for upstream in upstreams:
            if upstream.name not in known:
                self._control_plane.operator("upstream", "add", upstream.name, *_options(upstream))
            elif known[upstream.name].rstrip("/") != upstream.url.rstrip("/"):
                raise FleetError(
                    f"the upstream {upstream.name} is known under another address, "
                    f"{known[upstream.name]}; next: remove the folder .strait and start again"
                )

    def add_offers(self, offers: list[Offer]) -> None:
        known = {(offer["model"], offer["upstream"], offer["dialect"]) for offer in self._list("offer")}
        for offer in offers:
            if (offer.model, offer.upstream, offer.dialect) not in known:
                self._control_plane.operator("offer", "add", offer.model, *_offer_options(offer))

    def ensure_team(self, name: str) -> None:
        if name not in {team["name"] for team in self._list("team")}:
            self._control_plane.operator("team", "create", name)

    def ensure_key(self, team: str, file: pathlib.Path) -> str:
        """The key kept in `file`, or a new one: a key is shown once and cannot be asked for again."""
        if not file.exists():
            key = self._control_plane.operator("key", "create", "--team", team, "--name", file.stem)["key"]
            write_private(file, key + "\n")
        return file.read_text().strip()

    def _list(self, noun: str) -> list[dict]:
        return self._control_plane.operator(noun, "list")


def _options(upstream: Upstream) -> list:
    options = [
        "--region",
        upstream.region,
        "--url",
        upstream.url,
        "--http-version",
        upstream.http_version,
        "--credential-style",
        upstream.credential_style,
        "--network",
        upstream.network,
    ]
    if upstream.credential_file:
        options += ["--credential-file", upstream.credential_file]
    if upstream.ca_file:
        options += ["--ca-file", upstream.ca_file]
    return options


def _offer_options(offer: Offer) -> list:
    options = [
        "--upstream",
        offer.upstream,
        "--dialect",
        offer.dialect,
        "--input-price",
        offer.input_price,
        "--output-price",
        offer.output_price,
    ]
    if offer.upstream_model:
        options += ["--upstream-model", offer.upstream_model]
    if offer.weight is not None:
        options += ["--weight", offer.weight]
    return options
