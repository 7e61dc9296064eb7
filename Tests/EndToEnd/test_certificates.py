"""Certificates by name, changed while streams flow, and session tickets that every worker and sibling takes."""

import json
import os
import signal
import ssl

import pytest
from devfleet.processes import wait_until
from devfleet.workplace import write_private, yaml
from edge_beside import H2Client, connect, edge_beside, metric
from scripted import scripts
from test_configuration_files import assert_refused
from world import chat_request


@pytest.fixture
def pair(world, tmp_path):
    """A pair of the test's own that it may change: the edge's usual one to begin with."""
    files = {"certificate_file": tmp_path / "edge.pem", "private_key_file": tmp_path / "edge.key"}
    install(world.fleet.authority.issue("edge-us-west"), files)
    return files


def install(issued, files: dict) -> None:
    """The key first: between the two the pair does not match, and the edge has to keep what it has."""
    certificate, key = issued
    write_private(files["private_key_file"], key.read_text())
    write_private(files["certificate_file"], certificate.read_text())


def shown(world, edge, name="") -> str:
    """The common name of the certificate that the edge shows to who asks for `name`."""
    context = ssl.create_default_context(cafile=str(world.fleet.ca_file))
    context.check_hostname = False
    with connect(world, edge, context=context, name=name) as client:
        subject = dict(part[0] for part in client.getpeercert()["subject"])
    return subject["commonName"]


def test_the_name_that_a_client_asks_for_chooses_the_certificate(world, tmp_path, pair):
    issue = world.fleet.authority.issue
    exact, wild = issue("exact", "DNS:api.example.com"), issue("wild", "DNS:*.example.com")
    others = [dict(zip(("certificate_file", "private_key_file"), map(str, files))) for files in (wild, exact)]
    with edge_beside(world, tmp_path, tls={**pair, "certificates": others}) as edge:
        assert shown(world, edge, "api.example.com") == "exact"
        assert shown(world, edge, "API.Example.com") == "exact"
        assert shown(world, edge, "other.example.com") == "wild"
        for name in ("example.com", "a.b.example.com", "nowhere.test"):
            assert shown(world, edge, name) == "edge-us-west"


@pytest.mark.parametrize("signalled", [False, True], ids=["by itself", "on SIGHUP"])
def test_a_new_certificate_is_taken_up_and_no_stream_is_cut(world, tmp_path, pair, scripted, signalled):
    with edge_beside(world, tmp_path, tls=pair) as edge, scripted.doing(scripts.endless()):
        with H2Client(world, edge) as client:
            stream = client.request("/chat/completions", json.dumps(chat_request(stream=True)).encode())
            client.until_data(stream)
            install(world.fleet.authority.issue("renewed"), pair)
            if signalled:
                os.kill(edge.child.pid, signal.SIGHUP)
            wait_until(lambda: shown(world, edge) == "renewed", "new connections see the new one")
            client.until_data(stream)


@pytest.mark.parametrize("fault", ["another key", "no certificate", "nothing"])
def test_a_pair_that_cannot_be_used_is_refused_and_the_old_one_stays(world, tmp_path, pair, fault):
    with edge_beside(world, tmp_path, tls=pair) as edge:
        if fault == "another key":
            write_private(pair["private_key_file"], world.fleet.authority.issue("renewed")[1].read_text())
        elif fault == "no certificate":
            write_private(pair["certificate_file"], "this is no certificate\n")
        else:
            pair["certificate_file"].unlink()
        wait_until(lambda: "not used" in edge.log.read_text(), "the edge says so")
        assert shown(world, edge) == "edge-us-west"
        install(world.fleet.authority.issue("renewed"), pair)
        wait_until(lambda: shown(world, edge) == "renewed", "a good pair is used")


# MARK: tickets


def ticket(world, edge, context=None) -> ssl.SSLSession:
    """A session to come back with. In TLS 1.3 its ticket comes with the first bytes of the answer."""
    with connect(world, edge, context=context) as client:
        return spoken(world, client).session


def spoken(world, client: ssl.SSLSocket) -> ssl.SSLSocket:
    request = f"GET /v1/models HTTP/1.1\r\nHost: edge\r\nAuthorization: Bearer {world.key}\r\n\r\n"
    client.sendall(request.encode())
    assert client.recv(65536).startswith(b"HTTP/1.1 200")
    return client


def resumes(world, edge, session, context=None) -> bool:
    with connect(world, edge, session=session, context=context) as client:
        return spoken(world, client).session_reused


def test_every_worker_takes_a_ticket(world, tmp_path):
    with edge_beside(world, tmp_path, workers=4) as edge:
        session = ticket(world, edge)
        # With a quarter of the connections for each worker, 24 on one of them are as likely as 4 in 10^14.
        assert all(resumes(world, edge, session) for _ in range(24))
        assert metric(edge, "strait_edge_tls_resumptions_total") == 24


def test_a_sibling_with_the_same_secret_takes_a_ticket_and_no_other_does(world, tmp_path):
    shared, other = (tmp_path / name for name in ("shared", "other"))
    for file in (shared, other):
        file.write_bytes(os.urandom(48))
    with edge_beside(world, tmp_path / "first", **with_secret(world, shared)) as edge:
        session = ticket(world, edge)
    for secret, expected in ((other, False), (None, False), (shared, True)):
        folder = tmp_path / f"after-{secret and secret.name}"
        with edge_beside(world, folder, **with_secret(world, secret)) as sibling:
            assert resumes(world, sibling, session) is expected


def with_secret(world, secret) -> dict:
    certificate, key = world.fleet.authority.issue("edge-us-west")
    pair = {"certificate_file": certificate, "private_key_file": key}
    return {"tls": {**pair, **({"ticket_secret_file": secret} if secret else {})}}


def test_a_ticket_outlives_a_new_certificate(world, tmp_path, pair):
    with edge_beside(world, tmp_path, tls=pair) as edge:
        session = ticket(world, edge)
        install(world.fleet.authority.issue("renewed"), pair)
        wait_until(lambda: shown(world, edge) == "renewed", "the new certificate is there")
        assert resumes(world, edge, session)


def test_tls_1_2_has_no_tickets(world, tmp_path):
    """There a ticket's key opens everything that was said under it."""
    context = ssl.create_default_context(cafile=str(world.fleet.ca_file))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    with edge_beside(world, tmp_path) as edge:
        session = ticket(world, edge, context)
        assert not session.has_ticket
        assert not resumes(world, edge, session, context)


def test_a_secret_that_is_too_short_is_refused(world, tmp_path):
    short = tmp_path / "short"
    short.write_bytes(b"x" * 31)
    file = {**world.edge().configuration()}
    file["tls"] = {**file["tls"], "ticket_secret_file": short}
    assert_refused("edge-node", tmp_path, yaml(file), "ticket_secret_file")


def test_the_control_a_client_without_a_session_does_not_resume(world, tmp_path):
    with edge_beside(world, tmp_path) as edge:
        assert not resumes(world, edge, None)
