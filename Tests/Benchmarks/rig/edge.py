"""The edge under measurement, with the configuration that a control plane gave it. What gave it that is stopped,
so that it takes no part in the runs; the edge does its whole work all the same and keeps its usage records."""

import pathlib

from devfleet.catalogue import Offer, Upstream
from devfleet.fleet import Fleet

from . import account

REGION = "us-east"
OF_LOADS = {
    "connections": 20_000,
    "connections_per_address": 20_000,
    "new_connections_per_address_per_second": 100_000,
}
"""Limits for loads that come from one address."""
OF_PRODUCTION = {
    "connections_per_address": 128,
    "new_connections_per_address_per_second": 50,
    "offences_per_address": 60,
}
"""The defaults of those limits that a development fleet's edges are without."""

MODELS = {
    "bench": "bench",
    "bench-http1": "bench-http1",
}
OF_ATTACKERS = {"scripted": "attacked", "scripted-http2": "attacked-large"}
"""What the hostile clients of the end-to-end tests ask for."""


class MeasuredEdge:
    name = "Strait"

    def __init__(
        self,
        folder: pathlib.Path,
        upstream_url: str,
        core: int,
        *,
        keeps_control_plane=False,
        attacked_url: str | None = None,
        limits: dict = OF_LOADS,
    ):
        self._keeps_control_plane = keeps_control_plane
        self._core, self._upstream_url, self._attacked_url = core, upstream_url, attacked_url
        self._models = {**MODELS, **(OF_ATTACKERS if attacked_url else {})}
        settings = {"workers": 1, "limits": limits}
        self.fleet = Fleet(folder, regions=(REGION,), edge_settings={REGION: settings})
        self._edge = self.fleet.edges[REGION]
        self.key = ""

    @property
    def pid(self) -> int:
        return self._edge.child.pid

    @property
    def is_running(self) -> bool:
        return self._edge.child.running

    @property
    def pair(self) -> tuple[pathlib.Path, pathlib.Path]:
        """The certificate and its key, which the peers use too."""
        return self.fleet.authority.issue(f"edge-{REGION}")

    def url(self, path: str, upstream="http2") -> str:
        return f"{self._edge.base_url}{path}"

    def start(self) -> None:
        fleet = self.fleet
        fleet.start_database()
        fleet.control_plane.start()
        fleet.catalogue.apply_regions()
        upstreams = [
            Upstream("bench", REGION, self._upstream_url, "http2"),
            Upstream("bench-http1", REGION, self._upstream_url, "http1"),
        ]
        if self._attacked_url:
            upstreams += [
                Upstream("attacked", REGION, self._attacked_url, "http2"),
                Upstream("attacked-large", REGION, f"{self._attacked_url}/large", "http2"),
            ]
        fleet.catalogue.add_upstreams(upstreams)
        fleet.catalogue.add_offers(
            [Offer(model, upstream, "openai", "0.15", "0.60") for model, upstream in self._models.items()]
        )
        fleet.catalogue.ensure_team("bench")
        self.key = fleet.catalogue.ensure_key("bench", fleet.folder / "bench-key.txt")
        fleet.start_edges()
        fleet.wait_for_configuration(self.key, set(self._models))
        if not self._keeps_control_plane:
            fleet.control_plane.child.stop()
            fleet.postgres.child.stop()
        account.pin(self.pid, self._core)

    def restart(self) -> None:
        """Needs no control plane: the edge has its configuration on disk."""
        self._edge.restart()
        account.pin(self.pid, self._core)

    def stop(self) -> None:
        self.fleet.stop()
        self.fleet.postgres.remove()

    def records(self) -> int:
        """Usage records in the spool. A restarted edge counts those that it found there."""
        return int(self.metrics()["strait_edge_spooled_records"])

    def metrics(self) -> dict[str, float]:
        return self._edge.metrics()
