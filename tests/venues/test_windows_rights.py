"""Which rights of Windows make a file its owner's alone, as texts."""

from __future__ import annotations

import pytest

from vestbench.venues.vest.rights import too_open

OURS = "S-1-5-21-1-2-3-1001"
OTHER = "S-1-5-21-1-2-3-1002"


@pytest.mark.parametrize(
    "rights",
    [
        f"O:{OURS}D:P(A;;FA;;;{OURS})",
        f"O:{OURS}G:BUD:P(A;;FA;;;{OURS})",
        f"O:{OURS}D:AI(A;ID;FA;;;SY)(A;ID;FA;;;BA)(A;ID;FA;;;{OURS})",
        f"O:BAD:P(A;;FA;;;{OURS})",
        f"O:{OURS}D:P(D;;FA;;;WD)(A;;FR;;;{OURS})",
        f"O:{OURS}D:P",
    ],
    ids=["ours", "group", "profile", "administrators", "denied", "nobody"],
)
def test_a_file_for_its_owner_and_the_system_is_fit(rights: str) -> None:
    assert too_open(rights, OURS) == ""


@pytest.mark.parametrize(
    "rights",
    [
        f"O:{OURS}D:P(A;;FA;;;{OURS})(A;;FR;;;{OTHER})",
        f"O:{OURS}D:AI(A;ID;FA;;;{OURS})(A;ID;0x1200a9;;;BU)",
        f"O:{OURS}D:P(A;;FR;;;WD)",
        f"O:{OURS}D:NO_ACCESS_CONTROL",
        f"O:{OURS}",
        f'O:{OURS}D:P(XA;;FA;;;{OURS};(@User.Title=="PM"))',
    ],
    ids=["another", "users", "everyone", "null", "no-list", "conditions"],
)
def test_a_file_that_others_may_read_is_refused_with_what_to_do(
    rights: str,
) -> None:
    why = too_open(rights, OURS)

    assert why.startswith("may be read by others")
    assert 'icacls FILE /inheritance:r /grant:r "*S-1-5-21-1-2-3-1001:F"' in why


@pytest.mark.parametrize("rights", [f"O:{OTHER}D:P(A;;FA;;;{OURS})", "", "D:P"])
def test_somebody_elses_file_is_refused(rights: str) -> None:
    assert too_open(rights, OURS) == "belongs to somebody else: it must be yours"


def test_a_user_may_have_a_name_of_two_letters() -> None:
    assert too_open("O:LAD:P(A;;FA;;;LA)", "LA") == ""
    assert too_open("O:LAD:P(A;;FA;;;LA)", OURS)
