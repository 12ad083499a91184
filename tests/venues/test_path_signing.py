"""Signing inside the clock, in the process that sends."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_account import Account as EthAccount
from eth_account.messages import encode_defunct
from eth_utils.crypto import keccak

from tests.support.records import bench_run, failure, known, sample, sessions
from tests.support.servers import SLOT, ScriptedServer, plan, post, tls_pair
from tests.support.stacks import inside
from vestbench.model.columns import client_ns, network_ns
from vestbench.model.request import NS_PER_MS, RequestSpec, Sample
from vestbench.studies.bench.summary import summarise_bench
from vestbench.venues.secret import Secret
from vestbench.venues.vest.orders import Cancel, Unsigned
from vestbench.venues.vest.path_signer import PathSigner
from vestbench.workers.path_signing import sign, signed
from vestbench.workers.remote import RemoteStack

KEY = "0x" + "5c" * 32  # a throw-away
UNSIGNED = Unsigned(order=Cancel(time_ms=42, nonce=43), recv_window_ms=5000)


class FakeSigner:
    def prepare(self) -> None:
        raise AssertionError("not here")

    def complete(self, spec: RequestSpec) -> RequestSpec:
        return replace(spec, body=b"signed", unsigned=None)


def ticks(*values: int) -> Any:
    found: Iterator[int] = iter(values)
    return lambda: next(found)


def test_a_request_that_is_complete_is_left_alone() -> None:
    spec = post("https://a.test/", b"body")

    assert sign(spec, None, clock=ticks()) == (spec, None)


def test_signing_is_timed_and_completes_the_request() -> None:
    spec = post("https://a.test/", b"", unsigned=UNSIGNED)

    complete, took_ns = sign(spec, FakeSigner(), clock=ticks(100, 107))

    assert (complete.body, complete.unsigned, took_ns) == (b"signed", None, 7)


def test_without_a_signer_an_unsigned_request_is_never_sent() -> None:
    spec = post("https://a.test/", b"", unsigned=UNSIGNED)

    with pytest.raises(RuntimeError, match="nobody is there to sign"):
        sign(spec, None, clock=ticks())


def test_the_time_of_a_sample_begins_with_its_signature() -> None:
    before = sample(start=100.0, latency=40.0, wait=35.0, reused=True)

    after = signed(before, 6 * NS_PER_MS)

    assert isinstance(after, Sample)
    assert after.start_ns == 94 * NS_PER_MS
    assert after.latency_ns == 46 * NS_PER_MS
    assert after.sign_ns == 6 * NS_PER_MS
    assert network_ns(after) == network_ns(before)
    assert client_ns(after) == client_ns(before)


def test_the_time_of_a_failure_begins_with_its_signature() -> None:
    after = signed(failure(start=100.0, elapsed=10.0), 6 * NS_PER_MS)

    assert (after.start_ns, after.elapsed_ns) == (  # type: ignore[union-attr]
        94 * NS_PER_MS,
        16 * NS_PER_MS,
    )


def test_what_was_signed_before_has_no_time_for_it() -> None:
    found = sample()

    assert signed(found, None) is found
    assert found.sign_ns is None


def test_signing_is_a_phase_of_a_run_and_a_part_of_its_saving() -> None:
    outcomes = [
        signed(outcome, (6 if outcome.slot.index else 8) * NS_PER_MS)
        for outcome in sessions([100.0] * 12)
    ]

    found = summarise_bench(bench_run(outcomes))

    assert found.cold.typical("sign") == 8.0
    assert found.subsequent.typical("sign") == 6.0
    assert found.breakdown is not None
    assert found.breakdown.sign == 2.0
    unsigned = summarise_bench(bench_run(sessions([100.0] * 12)))
    assert unsigned.breakdown is not None
    assert unsigned.breakdown.sign is None


@pytest.fixture(scope="module")
def stack() -> Iterator[RemoteStack]:
    with RemoteStack(ca_pem=tls_pair().ca_pem) as stack:
        assert not {"eth_account", "vestbench.venues"} & set(inside(stack).modules)
        stack.sign_with(PathSigner(Secret(KEY)))
        yield stack


def test_the_worker_signs_what_is_sent_with_the_key_it_was_handed(
    stack: RemoteStack,
) -> None:
    with ScriptedServer(tls=tls_pair().server) as server:
        spec = post(server.url, b"", unsigned=UNSIGNED)
        session = stack.open(plan())
        found = [session.send(spec, SLOT), session.ask(spec, SLOT)[0]]
        sent = [json.loads(r.partition(b"\r\n\r\n")[2]) for r in server.visits[0].seen]

    order = {"time": 42, "nonce": 43, "id": "0x" + "0" * 64}
    types, values = ["uint256", "uint256", "string"], list(order.values())
    message = encode_defunct(keccak(encode(types, values)))
    signature = bytes(EthAccount.from_key(KEY).sign_message(message).signature).hex()
    assert sent == 2 * [
        {"order": order, "recvWindow": 5000, "signature": "0x" + signature}
    ]
    for outcome in found:
        assert isinstance(outcome, Sample)
        assert outcome.sign_ns is not None
        assert 0 < outcome.sign_ns < outcome.latency_ns
        assert known(client_ns(outcome)) > 0


def test_the_worker_has_imported_what_signs_before_it_signs(
    stack: RemoteStack,
) -> None:
    before = set(inside(stack).modules)
    with ScriptedServer(tls=tls_pair().server) as server:
        stack.open(plan()).send(post(server.url, b"", unsigned=UNSIGNED), SLOT)
    after = set(inside(stack).modules)

    assert "eth_account" in before
    assert after - before == set()
    assert not inside(stack).collects


def test_the_key_is_in_no_command_line_and_no_environment(stack: RemoteStack) -> None:
    process = stack._process

    for number in (os.getpid(), process.pid):
        for name in ("cmdline", "environ"):
            assert KEY[2:].encode() not in Path(f"/proc/{number}/{name}").read_bytes()


def test_a_signer_shows_nothing_and_travels_with_its_key() -> None:
    signer = PathSigner(Secret(KEY))

    assert KEY[2:] not in repr(signer) + str(signer)
    again = pickle.loads(pickle.dumps(signer))  # noqa: S301 - our own
    spec = post("https://a.test/", b"", unsigned=UNSIGNED)
    assert again.complete(spec) == signer.complete(spec)
