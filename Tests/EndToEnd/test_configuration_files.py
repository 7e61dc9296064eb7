"""Bad files are refused with words that help; nothing starts on a guess, and nothing that runs is
disturbed."""

import subprocess

import pytest
from devfleet.workplace import REGIONS, program, write_private, yaml

EDGE_FAULTS = {
    "a key that does not exist": (lambda file: {**file, "listen_adress": "127.0.0.1:1"}, "listen_adress"),
    "a missing key": (lambda file: {key: file[key] for key in file if key != "tls"}, "tls"),
    "a bad address": (lambda file: {**file, "listen": "not an address"}, "listen"),
    "a wrong type": (lambda file: {**file, "workers": "many"}, "workers"),
    "a certificate that is not there": (
        lambda file: {**file, "tls": {**file["tls"], "certificate_file": "/nowhere.pem"}},
        "/nowhere.pem",
    ),
    "a limit that does not exist": (lambda file: {**file, "limits": {"no_such_limit": 1}}, "no_such_limit"),
}
CONTROL_PLANE_FAULTS = {
    "a key that does not exist": (lambda file: {**file, "databse_url": "x"}, "databse_url"),
    "a missing key": (lambda file: {key: file[key] for key in file if key != "database_url"}, "database_url"),
    "a bad address": (lambda file: {**file, "admin": {**file["admin"], "listen": "nowhere"}}, "listen"),
}


@pytest.mark.parametrize("fault", EDGE_FAULTS)
def test_an_edge_refuses(world, tmp_path, fault):
    change, word = EDGE_FAULTS[fault]
    assert_refused("edge-node", tmp_path, yaml(change(world.edge().configuration())), word)


@pytest.mark.parametrize("fault", CONTROL_PLANE_FAULTS)
def test_a_control_plane_refuses(world, tmp_path, fault):
    change, word = CONTROL_PLANE_FAULTS[fault]
    assert_refused("control-plane", tmp_path, yaml(change(world.fleet.control_plane.configuration())), word)


@pytest.mark.parametrize("name", ["edge-node", "control-plane"])
@pytest.mark.parametrize("text", ["", "{", "- a list", "listen: [", "\x00"], ids=repr)
def test_what_is_no_configuration(tmp_path, name, text):
    assert_refused(name, tmp_path, text, "")


def test_the_control_the_right_files_pass(world):
    for name, file in (
        ("edge-node", world.edge().configuration_file),
        ("control-plane", world.fleet.control_plane.folder / "control-plane.yaml"),
    ):
        result = subprocess.run([program(name), "--config", file, "--check"], capture_output=True, text=True)
        assert result.returncode == 0, result.stderr


def assert_refused(name: str, folder, text: str, word: str) -> None:
    file = folder / "configuration.yaml"
    write_private(file, text)
    result = subprocess.run(
        [program(name), "--config", file, "--check"], capture_output=True, text=True, timeout=60
    )
    assert result.returncode > 0, f"it must end by itself with a status, not by a trap: {result}"
    assert word in result.stderr
    assert "Fatal error" not in result.stderr


@pytest.mark.parametrize(
    "text, word",
    [
        ("name: us-east\n", "title"),
        ("name: Us East\ntitle: x\njurisdiction: US\ncountry: US\n", "name"),
        ("name: bad\ntitle: x\njurisdiction: Atlantis\ncountry: US\n", "Atlantis"),
        ("name: bad\ntitle: x\njurisdiction: US\ncountry: US\ncolour: red\n", "colour"),
        ("{", "bad.yaml"),
    ],
    ids=["missing", "bad name", "unknown jurisdiction", "unknown key", "not YAML"],
)
def test_a_bad_region_file_changes_nothing(world, tmp_path, text, word):
    before = world.fleet.control_plane.operator("region", "list")
    for good in REGIONS.glob("*.yaml"):
        (tmp_path / good.name).write_text(good.read_text().replace("title: ", "title: Changed "))
    (tmp_path / "bad.yaml").write_text(text)
    result = world.fleet.control_plane.run_operator("region", "apply", tmp_path)
    assert result.returncode != 0
    assert word in result.stderr and "bad.yaml" in result.stderr
    assert world.fleet.control_plane.operator("region", "list") == before


def test_applying_the_same_regions_again_changes_nothing(world):
    result = world.fleet.control_plane.operator("region", "apply", REGIONS)
    assert (result["created"], result["changed"], len(result["unchanged"])) == ([], [], 4)
