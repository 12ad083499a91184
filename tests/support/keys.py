"""Keys that are nobody's, and where they must not be seen."""

from __future__ import annotations

from tests.support.signed import PRIMARY, PRIMARY_ADDRESS, SIGNING
from vestbench.venues.secret import Secret
from vestbench.venues.vest.credentials import Credentials
from vestbench.venues.vest.signing import PRODUCTION_CONTRACT

API_KEY = 'api-key-"hunter2"\\'
FULL = Credentials(
    primary_key=PRIMARY,
    signing_key=SIGNING,
    api_key=Secret(API_KEY),
    account_group=0,
    primary_address=PRIMARY_ADDRESS,
    contract=PRODUCTION_CONTRACT,
)
ENVIRONMENT = {
    "VEST_PRIMARY_KEY": PRIMARY.reveal(),
    "VEST_SIGNING_KEY": SIGNING.reveal()[2:].upper(),
    "VEST_API_KEY": API_KEY,
    "VEST_ACCOUNT_GROUP": "0",
    "VEST_PRIMARY_ADDR": "0x" + PRIMARY_ADDRESS[2:].upper(),
    "VEST_PRODUCTION": "true",
}
# What must not be seen, in any spelling.
SECRETS = (PRIMARY.reveal()[2:], SIGNING.reveal()[2:], "hunter2")


def assert_hidden(text: str) -> None:
    for each in SECRETS:
        assert each.lower() not in text.lower()


KEY_DIGITS = SIGNING.reveal()[2:]
