"""Where an upstream's URL may lead: never to a cloud's metadata, to a private network only where the operator said so, and
to no other place that an upstream names."""

import pytest
from edge_beside import edge_beside, metric
from raw_upstream import GOOD, RawUpstream, answer, read_request, serve_well
from test_rollouts import settled
from upstream_models import add_models
from world import chat_request

# The system's resolver takes these for addresses (inet_aton(3)), which the control plane cannot know.
LOOPBACK_BY_NAME, UNSPECIFIED_BY_NAME = "127.1", "0"


@pytest.mark.parametrize(
    "url, network, words",
    [
        ("http://127.0.0.1:9", "public", "--network private"),
        ("http://[::1]:9", "public", "--network private"),
        ("http://10.1.2.3", "public", "--network private"),
        ("http://[::ffff:192.168.1.1]", "public", "--network private"),
        ("http://localhost:9", "public", "--network private"),
        ("http://169.254.169.254", "private", "metadata"),
        ("http://[fd00:ec2::254]", "private", "metadata"),
        ("http://[64:ff9b::a9fe:a9fe]", "private", "metadata"),
        ("http://0.0.0.0", "private", "unspecified"),
        ("http://255.255.255.255", "private", "broadcast"),
        ("http://[ff02::1]", "private", "multicast"),
    ],
)
def test_an_address_in_a_url_is_refused_when_it_is_given(world, url, network, words):
    control_plane = world.fleet.control_plane
    options = () if network == "public" else ("--network", network)
    said = control_plane.run_operator("upstream", "add", "misled", "--region", "us-east", "--url", url, *options)
    assert said.returncode != 0 and words in said.stderr
    assert "misled" not in {upstream["name"] for upstream in control_plane.operator("upstream", "list")}


def test_new_upstreams_are_on_the_public_network_unless_told_otherwise(world):
    control_plane = world.fleet.control_plane
    control_plane.operator("upstream", "add", "far-away", "--region", "us-east", "--url", "https://upstream.invalid")
    networks = {upstream["name"]: upstream["network"] for upstream in control_plane.operator("upstream", "list")}
    assert (networks["far-away"], networks["scripted-http1"]) == ("public", "private")


@pytest.fixture(scope="module")
def places(world, tmp_path_factory):
    """An upstream on loopback under several names, for an edge of its own."""
    with (
        RawUpstream(serve_well) as upstream,
        edge_beside(world, tmp_path_factory.mktemp("addresses")) as edge,
    ):
        models = add_models(
            world,
            {
                "by-name-public": {"url": upstream.url(LOOPBACK_BY_NAME), "network": "public"},
                "by-name-private": {"url": upstream.url(LOOPBACK_BY_NAME)},
                "unspecified": {"url": upstream.url(UNSPECIFIED_BY_NAME)},
            },
            [edge],
        )
        # Failures must not take the models back.
        settled(world)
        yield edge, models, upstream


def refused(edge, reason: str) -> float:
    return metric(edge, "strait_edge_upstream_addresses_refused_total", reason=reason)


@pytest.mark.parametrize("name, reason", [("by-name-public", "not_public"), ("unspecified", "unspecified")])
def test_what_a_name_leads_to_is_judged_too(world, places, name, reason):
    edge, models, upstream = places
    with world.http(edge) as client:
        # The control: the same host and port, where the operator has said that this is meant.
        assert client.post("/chat/completions", json=chat_request(models["by-name-private"])).content == GOOD
        before, connections = refused(edge, reason), upstream.connections
        answers = [client.post("/chat/completions", json=chat_request(models[name])) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {502}
    assert answers[0].json()["error"]["code"] == "upstream_unreachable"
    record = world.record(answers[0].headers["x-request-id"])
    assert (record["outcome"], record["upstream_status"]) == ("upstream_unreachable", 0)
    assert refused(edge, reason) >= before + 3
    assert upstream.connections == connections
    lines = [line for line in edge.log.read_text().splitlines() if models[name] in line and reason in line]
    # Each of the edge's workers says so once.
    assert 1 <= len(lines) <= 2


def test_a_redirect_is_passed_on_and_not_followed(world, tmp_path):
    heads = []

    def send_elsewhere(connection):
        while head := read_request(connection):
            heads.append(head)
            fields = f"location: {other.url()}/v1/chat/completions\r\n"
            answer(connection, b"{}", "307 Temporary Redirect", fields)

    credential = tmp_path / "credential"
    credential.write_text("bound-to-one-origin\n")
    credential.chmod(0o600)
    with RawUpstream(serve_well) as other, RawUpstream(send_elsewhere) as upstream, edge_beside(world, tmp_path) as edge:
        options = {"url": upstream.url(), "credential_style": "bearer", "credential_file": credential}
        models = add_models(world, {"elsewhere": options}, [edge])
        with world.http(edge, follow_redirects=False) as client:
            got = client.post("/chat/completions", json=chat_request(models["elsewhere"]))
        assert got.status_code == 307 and got.headers["location"].startswith(other.url())
        assert len(heads) == 1 and b"authorization: Bearer bound-to-one-origin" in heads[0]
        assert other.connections == 0
