"""What every attack must leave behind."""

from .siege import MEMORY_LIMIT_BYTES, Report


def assert_unhurt(report: Report) -> None:
    """Nothing crashed, no connection was lost at its beginning, and every victim's stream ended whole."""
    assert report.edge_lives, f"the edge died: {report}"
    lost = [outcome.words for outcome in report.outcomes if not outcome.met]
    assert not lost, f"{lost}: {report}"
    assert not report.victim_faults, f"{report.victim_faults[:5]}: {report}"


def assert_bounded(report: Report) -> None:
    """Attackers that keep to the limits need not be cut, but what they make the edge hold is bounded."""
    print(report)
    assert_unhurt(report)
    assert report.growth_bytes <= MEMORY_LIMIT_BYTES, str(report)


def assert_held(report: Report, *reasons: str) -> None:
    """Every attacker was let go on up to the limit, cut beyond it, and counted by the reason."""
    print(report)
    assert_unhurt(report)
    assert report.growth_bytes <= MEMORY_LIMIT_BYTES, str(report)
    not_cut = [outcome for outcome in report.outcomes if not outcome.cut]
    kinds = sorted({outcome.words for outcome in not_cut})
    assert not not_cut, f"{len(not_cut)} not cut, {kinds}: {report}"
    cut_early = [outcome for outcome in report.outcomes if not outcome.tolerated]
    assert not cut_early, f"{len(cut_early)} cut before their limit, {cut_early[0]}: {report}"
    assert not reasons or report.refused_for(*reasons) >= len(report.outcomes), f"not counted as {reasons}: {report}"
