"""Only who holds a fresh token for a region becomes an edge there."""

import socket
import ssl
import subprocess

import pytest
from devfleet.edges import Edge
from devfleet.ports import Ports
from devfleet.processes import Child, wait_until
from devfleet.workplace import program, write_private, yaml


@pytest.fixture
def newcomer(world, tmp_path):
    """An edge that has never been here, in a region of the fleet."""
    edge = Edge(
        "us-west",
        tmp_path / "edge",
        tmp_path / "logs",
        Ports(tmp_path),
        world.fleet.control_plane,
        world.fleet.authority,
    )
    yield edge
    if edge.child:
        edge.child.stop()


def invite(world, region="us-west") -> str:
    return world.fleet.control_plane.operator("edge", "invite", "--region", region)["token"]


def try_to_join(edge, *options) -> Child:
    edge.data.mkdir(parents=True, exist_ok=True)
    write_private(edge.configuration_file, yaml(edge.configuration()))
    command = [program("edge-node"), "--config", edge.configuration_file, *options]
    edge.child = Child("newcomer", command, edge.log)
    return edge.child


def test_a_newcomer_joins_and_serves(world, newcomer, scripted):
    newcomer.start()
    wait_until(
        lambda: newcomer.status_of_models(world.key)[0] == 200,
        "the newcomer has the configuration",
        children=[newcomer.child],
    )
    edges = world.fleet.control_plane.operator("edge", "list")
    assert "us-west" in {edge["region"] for edge in edges}


def test_a_token_works_once(world, newcomer, tmp_path):
    token = invite(world)
    child = try_to_join(newcomer, "--join", token)
    wait_until(newcomer.ready, "the first one is in", children=[child])
    second = Edge(
        "us-west",
        tmp_path / "second",
        tmp_path / "logs2",
        Ports(tmp_path / "second"),
        world.fleet.control_plane,
        world.fleet.authority,
    )
    assert_refused(second, "--join", token)


@pytest.mark.parametrize("token", ["", "nonsense", "jt-" + "A" * 43])
def test_a_made_up_token_is_refused(newcomer, token):
    assert_refused(newcomer, "--join", token)


def test_without_a_token_there_is_no_way_in(newcomer):
    log = assert_refused(newcomer)
    assert "join" in log


def test_a_token_of_a_region_that_does_not_exist_is_not_given(world):
    result = world.fleet.control_plane.run_operator("edge", "invite", "--region", "atlantis")
    assert result.returncode != 0 and "atlantis" in result.stderr


def test_the_control_link_wants_a_certificate_of_its_own_authority(world):
    """Neither no certificate nor one from elsewhere gets a word out of it."""
    host, port = world.fleet.control_plane.grpc_address.split(":")
    certificate, key = world.fleet.authority.issue("stranger")
    for pair in (None, (certificate, key)):
        context = ssl.create_default_context(cafile=str(world.fleet.control_plane.authority_file))
        context.set_alpn_protocols(["h2"])
        if pair:
            context.load_cert_chain(*pair)
        assert refused_by_tls(context, host, int(port))


def refused_by_tls(context, host, port) -> bool:
    try:
        with socket.create_connection((host, port), timeout=30) as plain:
            with context.wrap_socket(plain, server_hostname=host) as secure:
                # With TLS 1.3 the refusal of a client's certificate comes with the first read.
                secure.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
                while data := secure.recv(4096):
                    if data[3:4] == b"\x04":
                        return False
        return True
    except OSError:
        return True


def assert_refused(edge, *options) -> str:
    child = try_to_join(edge, *options)
    wait_until(lambda: not child.running, "the newcomer gives up")
    assert child.process.returncode > 0, child.exit_text()
    log = edge.log.read_text()
    for option in options[1:]:
        assert not option or option not in log, "a token is in the log"
    return log


def test_an_edge_ends_in_good_order_when_asked(world, newcomer):
    newcomer.start()
    assert newcomer.child.stop() == 0


def test_the_control_plane_ends_in_good_order_when_asked(world):
    assert world.fleet.control_plane.child.stop() == 0
    world.fleet.control_plane.start()


def test_the_programs_say_their_version():
    for name in ("edge-node", "control-plane", "strait"):
        result = subprocess.run([program(name), "--version"], capture_output=True, text=True)
        assert result.returncode == 0 and result.stdout.strip()
