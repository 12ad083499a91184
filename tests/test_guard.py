"""No test, and no process that a test starts, reaches beyond this machine."""

import socket
import subprocess
import sys

import pytest

from vestbench.errors import ProcessDiedError
from vestbench.model.client import PoolSettings, SessionPlan
from vestbench.model.request import RequestSpec, Role, Slot
from vestbench.workers.remote import RemoteStack

OUTSIDE = "192.0.2.1"  # TEST-NET-1 (RFC 5737): belongs to nobody


def test_this_process_cannot_connect_to_the_outside() -> None:
    with (
        socket.socket() as outside,
        pytest.raises(pytest.fail.Exception, match="tried to connect"),
    ):
        outside.connect((OUTSIDE, 443))


@pytest.mark.parametrize(
    "attempt",
    [
        f"socket.create_connection(('{OUTSIDE}', 443), 1)",
        "socket.getaddrinfo('server-prod.hz.vestmarkets.com', 443)",
    ],
    ids=["connect", "look-up"],
)
def test_a_process_of_a_test_cannot_reach_the_outside(attempt: str) -> None:
    command = [sys.executable, "-c", f"import socket; {attempt}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode != 0
    assert "RuntimeError: a test tried to" in done.stderr


def test_the_measuring_process_cannot_either() -> None:
    url = "https://server-prod.hz.vestmarkets.com/v2"
    spec = RequestSpec(endpoint="ticker", method="GET", url=url)
    with RemoteStack() as stack:
        session = stack.open(SessionPlan(pool=PoolSettings()))
        with pytest.raises(ProcessDiedError):
            session.send(spec, Slot(session=0, index=0, role=Role.COLD))
