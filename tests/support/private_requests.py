"""Requests to the endpoints of Vest that need an account."""

from __future__ import annotations

from tests.support.signed import PRIMARY, PRIMARY_ADDRESS, SIGNING
from vestbench.venues.secret import Secret
from vestbench.venues.vest.credentials import Credentials

API_KEY = "Throw-away.API/key=1"
CREDENTIALS = Credentials(
    primary_key=PRIMARY,
    signing_key=SIGNING,
    api_key=Secret(API_KEY),
    account_group=3,
    primary_address=PRIMARY_ADDRESS,
)
