"""An authority and a certificate that live as long as the exchange, and its TLS.

The authority signs a leaf instead of being one: rustls, and with it reqwest, refuses a
certificate that is both.
"""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING

from vestbench.model.simulated import ExchangeSpec
from vestbench.simulator.http.service import Background, at_once

if TYPE_CHECKING:
    import trustme

LOOPBACK = ("127.0.0.1", "::1", "localhost")

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class Contexts:
    """Gives each connection its TLS context: all the same one, if they may resume.

    The cache of sessions that TLS 1.2 has besides tickets cannot be turned off from
    Python; but it lives in the context, and so do the keys of tickets. A context for
    each connection resumes nothing. One takes 1.3 ms to make, which would be in the
    handshake, so the next is made beforehand, in `background`.

    Raises:
        ValueError: The version is not known, or a name cannot be in a certificate.

    Attributes:
        ca_pem: The certificate to trust, as PEM.
    """

    def __init__(self, spec: ExchangeSpec, background: Background = at_once) -> None:
        if spec.tls not in _VERSIONS:
            raise ValueError(f"tls {spec.tls} is not one of {', '.join(_VERSIONS)}")
        import trustme

        # Elliptic curves: an RSA key takes 50 to 500 ms to find, and its signature
        # makes the handshake 1 ms slower than that of the servers that are simulated.
        kind = trustme.KeyType.ECDSA
        authority = trustme.CA(key_type=kind)
        every_name = dict.fromkeys((*LOOPBACK, *spec.names))
        self._leaf = authority.issue_cert(*every_name, key_type=kind)
        self.ca_pem = authority.cert_pem.bytes().decode()
        self._spec = spec
        self._background = background
        self._shared = spec.tickets or spec.tls == "1.3"
        self._ready = [self._make()]

    def take(self) -> ssl.SSLContext:
        """Return the context of the next connection."""
        if self._shared:
            return self._ready[0]
        context = self._ready.pop() if self._ready else self._make()
        self._background(self._make, self._ready.append)
        return context

    def _make(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = context.maximum_version = _VERSIONS[self._spec.tls]
        context.set_alpn_protocols(["h2"] * self._spec.http2 + ["http/1.1"])
        context.options |= ssl.OP_NO_RENEGOTIATION
        if not self._spec.tickets:
            context.options |= ssl.OP_NO_TICKET
            context.num_tickets = 0  # what TLS 1.3 goes by
        _load(context, self._leaf)
        return context


def _load(context: ssl.SSLContext, leaf: trustme.LeafCert) -> None:
    """Load certificate and key, from memory where the system allows that.

    OpenSSL reads files only, and a process that is killed at this moment would leave a
    temporary one, with the key in it, behind.
    """
    if not hasattr(os, "memfd_create"):
        leaf.configure_cert(context)
        return
    with os.fdopen(os.memfd_create("leaf"), "wb") as file:
        file.write(leaf.private_key_and_cert_chain_pem.bytes())
        file.flush()
        context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")
