"""The keys of a Vest account, and how they are read from texts.

No message of this module repeats a value that it was given.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

from vestbench.errors import UsageError
from vestbench.venues.secret import Secret
from vestbench.venues.vest import signing
from vestbench.venues.vest.signing import DEVELOPMENT_CONTRACT, PRODUCTION_CONTRACT

# The simulator has the development contract, so that a registration proof made for
# it is not valid in production, even if it was made with a real key.
CONTRACTS = {
    "sim": DEVELOPMENT_CONTRACT,
    "vest": PRODUCTION_CONTRACT,
    "vest-dev": DEVELOPMENT_CONTRACT,
}
THROW_AWAY = "sim"  # whose accounts have random keys
ACCOUNT_GROUPS = 10
_LONGEST_API_KEY = 1024


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Credentials:
    """What is known of an account; a field is `None` where nothing is known.

    Its secrets do not leave the process, for they cannot be pickled: they go into
    headers and bodies of a `RequestSpec` only.
    """

    primary_key: Secret | None = None  # owns the account; needed to register only
    signing_key: Secret | None = None  # signs orders on its behalf
    api_key: Secret | None = None  # what `/register` answered
    account_group: int | None = None  # what `/register` answered; 0 to 9
    primary_address: str | None = None  # lower case
    contract: str | None = None  # of the environment that the keys are for

    def __repr__(self) -> str:
        known = [
            each.name for each in fields(self) if getattr(self, each.name) is not None
        ]
        return f"Credentials({', '.join(known) or 'nothing'} given)"

    def over(self, other: Credentials) -> Credentials:
        """Return these credentials; what they lack is taken from `other`."""
        given = {
            each.name: value
            for each in fields(self)
            if (value := getattr(self, each.name)) is not None
        }
        return replace(other, **given)

    def for_venue(self, venue: str) -> Credentials:
        """Return these credentials with the venue's contract, after two checks.

        They must not be for another environment; and where both the primary key and
        its address are given, these must belong together (the first check of this sort
        imports `eth_account`).

        Raises:
            UsageError: The venue has no account here, the keys are for another
                environment, or the address is not that of the primary key.
        """
        contract = contract_of(venue)
        if self.contract is not None and self.contract != contract:
            raise UsageError(
                f"the keys are not for venue {venue}: "
                "VEST_PRODUCTION (or `production` in the keys file) says so"
            )
        address = self.primary_address
        if (
            address is not None
            and self.primary_key is not None
            and signing.address_of(self.primary_key) != address
        ):
            raise UsageError(
                "VEST_PRIMARY_ADDR is not the address of VEST_PRIMARY_KEY: they belong "
                "to different accounts"
            )
        return replace(self, contract=contract)

    def need(self, name: str) -> Secret:
        """Return the secret of that name.

        Raises:
            UsageError: It is not given.
        """
        secret = getattr(self, name)
        if not isinstance(secret, Secret):
            raise UsageError(
                f"no {name.replace('_', ' ').replace('api', 'API')}: "
                f"set {FIELDS[name].variable}, or name a file with --keys"
            )
        return secret


def contract_of(venue: str) -> str:
    """Return the contract that proofs for a venue are made out to.

    Raises:
        UsageError: The venue has no signed requests here.
    """
    venue = venue.partition("@")[0]  # whose URL follows
    if venue not in CONTRACTS:
        known = ", ".join(CONTRACTS)
        raise UsageError(f"venue {venue} has no account here: use {known}")
    return CONTRACTS[venue]


def random_credentials() -> Credentials:
    """Return throw-away keys for one run: a primary and a signing key, nothing else."""
    primary = random_key()
    return Credentials(
        primary_key=primary,
        signing_key=random_key(),
        primary_address=signing.address_of(primary),
        contract=CONTRACTS[THROW_AWAY],
    )


def random_key(token: Callable[[int], bytes] = secrets.token_bytes) -> Secret:
    """Return a new private key.

    Args:
        token: Returns that many random bytes, fit for secrets.
    """
    while True:
        key = Secret("0x" + token(32).hex())
        if signing.is_private_key(key):  # all but one in 2**128 are
            return key


def from_environment(environment: Mapping[str, str]) -> Credentials:
    """Return what the `VEST_…` variables of `environment` say, unless they are empty.

    Raises:
        UsageError: One of them cannot be used; the message names it, not its value.
    """
    variables = {name: field.variable for name, field in FIELDS.items()}
    found = {name: environment.get(of) for name, of in variables.items()}
    return parse({name: text for name, text in found.items() if text}, variables)


def from_prompt(name: str, text: str) -> Credentials:
    """Return what the user typed for `name`, one of `FIELDS`.

    Raises:
        UsageError: It cannot be used.
    """
    return parse({name: text}, {name: f"the {name.replace('_', ' ')} that was typed"})


def parse(texts: Mapping[str, str], sources: Mapping[str, str]) -> Credentials:
    """Return credentials from texts.

    Args:
        texts: By name of the field; `contract` is true for production, false for
            development.
        sources: How each is called in messages.

    Raises:
        UsageError: A text cannot be used. The message never contains it.
    """
    values: dict[str, Any] = {}
    for name in texts:
        values[name], problem = FIELDS[name].parse(texts[name])
        if problem:
            raise UsageError(f"{sources[name]} {problem}")
    return Credentials(**values)


# Each parser returns the value, or what is wrong with the text. The error is raised by
# the caller, where no local variable holds the text: a traceback may show variables.
_Parsed = tuple[Any, str]


def _parse_key(text: str) -> _Parsed:
    if problem := _bad_characters(text):
        return None, problem
    digits = text.lower().removeprefix("0x")
    if len(digits) != 64 or digits.strip("0123456789abcdef"):
        return None, "is not a private key: 64 hex digits, with or without 0x"
    key = Secret("0x" + digits)
    if not signing.is_private_key(key):
        return None, "is not a private key: the number is out of range"
    return key, ""


def _parse_api_key(text: str) -> _Parsed:
    if problem := _bad_characters(text):
        return None, problem
    if not 0 < len(text) <= _LONGEST_API_KEY:
        return None, f"is not an API key: 1 to {_LONGEST_API_KEY} characters"
    return Secret(text), ""


def _parse_group(text: str) -> _Parsed:
    if len(text) != 1 or text not in "0123456789":
        return None, f"is not an account group: 0 to {ACCOUNT_GROUPS - 1}"
    return int(text), ""


def _parse_address(text: str) -> _Parsed:
    if not signing.is_address(text):
        return None, "is not an address: 0x and 40 hex digits"
    return text.lower(), ""


def _parse_production(text: str) -> _Parsed:
    said = {"true": True, "1": True, "false": False, "0": False}.get(text.lower())
    if said is None:
        return None, "must be true or false"
    return (PRODUCTION_CONTRACT if said else DEVELOPMENT_CONTRACT), ""


def _bad_characters(text: str) -> str:
    # In a header they make an HTTP library raise an error that shows the value.
    if not text.isascii():
        return "holds a character beyond ASCII"
    if not text.isprintable():
        return "holds a control character, such as a line break"
    return "holds a space" if " " in text else ""


class Field(NamedTuple):
    """How one of the credentials is called, and what its text may be."""

    variable: str  # of the bot's environment
    in_file: str
    parse: Callable[[str], _Parsed]
    toml: type = str


FIELDS = {
    "primary_key": Field("VEST_PRIMARY_KEY", "primary_key", _parse_key),
    "signing_key": Field("VEST_SIGNING_KEY", "signing_key", _parse_key),
    "api_key": Field("VEST_API_KEY", "api_key", _parse_api_key),
    "account_group": Field("VEST_ACCOUNT_GROUP", "account_group", _parse_group, int),
    "primary_address": Field("VEST_PRIMARY_ADDR", "primary_addr", _parse_address),
    "contract": Field("VEST_PRODUCTION", "production", _parse_production, bool),
}
