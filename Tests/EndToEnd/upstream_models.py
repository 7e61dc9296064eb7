"""Models of a test's own, each at an upstream of its own, until every edge concerned serves them."""

import secrets

from devfleet.catalogue import Offer, Upstream
from devfleet.processes import wait_until
from world import INPUT_PRICE, OUTPUT_PRICE, World


def add_models(world: World, upstreams: dict[str, dict], edges) -> dict[str, str]:
    """Adds an upstream and an offer for each name, with the options of `Upstream`. Returns the models by those names."""
    ending = secrets.token_hex(3)
    models = {name: f"{name}-{ending}" for name in upstreams}
    catalogue = world.fleet.catalogue
    catalogue.add_upstreams(
        [Upstream(models[name], "us-east", **options) for name, options in upstreams.items()]
    )
    catalogue.add_offers(
        [Offer(model, model, "openai", INPUT_PRICE, OUTPUT_PRICE) for model in models.values()]
    )
    for edge in edges:
        wait_until(
            lambda edge=edge: set(models.values()) <= set(edge.status_of_models(world.key)[1]),
            "the edge serves the models",
            seconds=120,
        )
    return models
