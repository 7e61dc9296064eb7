"""What an operator is told of a fleet that is well. First of all tests (conftest.py): others let edges come and go, and an
edge that is gone is news to the doctor."""


def test_doctor_finds_a_healthy_fleet_healthy(world):
    result = world.fleet.control_plane.run_operator("doctor")
    assert result.returncode == 0, result.stdout + result.stderr
