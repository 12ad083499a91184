"""Keys of file and environment: which one wins, and what belongs together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.keys import ENVIRONMENT, FULL, assert_hidden
from tests.support.signed import PRIMARY, PRIMARY_ADDRESS
from vestbench.errors import UsageError
from vestbench.venues.secret import Secret
from vestbench.venues.vest.credentials import (
    Credentials,
    contract_of,
    random_credentials,
    random_key,
)
from vestbench.venues.vest.keys_file import find_credentials, save
from vestbench.venues.vest.signing import (
    DEVELOPMENT_CONTRACT,
    PRODUCTION_CONTRACT,
    address_of,
    is_private_key,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


# Precedence, and what belongs together.


def test_the_file_wins_over_the_environment_value_by_value(folder: Path) -> None:
    path = folder / "keys.toml"
    save(path, Credentials(signing_key=PRIMARY, account_group=0))

    found = find_credentials(
        "vest",
        environment={**ENVIRONMENT, "VEST_ACCOUNT_GROUP": "4"},
        keys_file=path,
    )

    assert found == replace(FULL, signing_key=PRIMARY)


def test_without_a_file_the_environment_is_all_there_is() -> None:
    assert find_credentials("vest", environment=ENVIRONMENT) == FULL


def test_the_venue_decides_the_contract_where_nobody_else_does() -> None:
    found = {
        venue: find_credentials(venue, environment={}).contract
        for venue in ("vest", "vest-dev", "sim")
    }

    assert found == {
        "vest": PRODUCTION_CONTRACT,
        "vest-dev": DEVELOPMENT_CONTRACT,
        "sim": DEVELOPMENT_CONTRACT,
    }


@pytest.mark.parametrize(
    ("venue", "production"), [("vest", "false"), ("vest-dev", "true"), ("sim", "true")]
)
def test_keys_for_one_environment_are_not_used_in_another(
    venue: str, production: str
) -> None:
    with pytest.raises(UsageError, match=f"not for venue {venue}: VEST_PRODUCTION"):
        find_credentials(venue, environment={"VEST_PRODUCTION": production})


def test_a_venue_without_accounts_has_no_contract() -> None:
    with pytest.raises(UsageError, match="paradex has no account here: use sim, vest"):
        contract_of("paradex")


def test_a_primary_address_must_be_that_of_the_primary_key() -> None:
    other = "0x" + "5e" * 20

    with pytest.raises(UsageError, match="different accounts") as refusal:
        find_credentials(
            "vest", environment={**ENVIRONMENT, "VEST_PRIMARY_ADDR": other}
        )

    assert other not in str(refusal.value)
    assert_hidden(str(refusal.value))


def test_an_address_alone_is_taken_as_it_is() -> None:
    found = find_credentials("vest", environment={"VEST_PRIMARY_ADDR": PRIMARY_ADDRESS})

    assert found.primary_address == PRIMARY_ADDRESS


# Throw-away keys.


def test_random_credentials_are_valid_and_never_the_same() -> None:
    one, other = random_credentials(), random_credentials()

    for each in (one, other):
        assert is_private_key(each.need("primary_key"))
        assert is_private_key(each.need("signing_key"))
        assert each.primary_address == address_of(each.need("primary_key"))
        assert (each.api_key, each.account_group) == (None, None)
        assert each.for_venue("sim") == each
    keys = {x.need(n) for x in (one, other) for n in ("primary_key", "signing_key")}
    assert len(keys) == 4


def test_a_proof_made_for_the_simulator_is_worth_nothing_in_production() -> None:
    assert random_credentials().contract != PRODUCTION_CONTRACT
    with pytest.raises(UsageError, match="not for venue vest"):
        random_credentials().for_venue("vest")


def test_random_bytes_that_are_no_key_are_drawn_again() -> None:
    draws = iter([bytes(32), b"\xff" * 32, b"\x05" * 32])

    assert random_key(lambda size: next(draws)) == Secret("0x" + "05" * 32)
