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
    from collections.abc import Callable

    import trustme

MAX_HOSTS = 2_000
JAVA_PASSWORD = b"changeit"  # of a store without a secret
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
        # Elliptic curves: an RSA key takes 50 to 500 ms to find, and its signature
        # makes the handshake 1 ms slower than that of the servers that are simulated.
        self.authority = _authority()
        self._leaf = _leaf(self.authority, *dict.fromkeys((*LOOPBACK, *spec.names)))
        self.ca_pem = self.authority.cert_pem.bytes().decode()
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
        return _context(self._spec, self._leaf)


class HostContexts:
    """Gives each connection a context whose certificate is for the host it is to.

    A host is known by the name that the client's handshake asks for, and until then by
    the address that was dialled. Making a certificate takes 1 to 2 ms, so it is made
    in `background`, while the client looks the name up.

    Args:
        contexts: Whose authority signs; its leaf is for names no certificate can have.
        spec: The exchange.
        background: Where certificates are made.
        name_of: Returns the name that an address was given out for; empty for none.
    """

    def __init__(
        self,
        contexts: Contexts,
        spec: ExchangeSpec,
        background: Background,
        name_of: Callable[[str], str],
    ) -> None:
        self._default = contexts.take()
        self._authority = contexts.authority
        self._spec = spec
        self._background = background
        self._name_of = name_of
        self._found: dict[str, ssl.SSLContext] = {}
        self._hosts: dict[ssl.SSLContext, str] = {}

    def prepare(self, host: str) -> None:
        """Begin to make the context of a host."""
        if host not in self._found:
            self._background(lambda: self._make(host), lambda _: None)

    def dialled(self, address: str) -> ssl.SSLContext:
        """Return the context of a connection to an address."""
        return self._of(self._name_of(address) or address)

    def host_of(self, context: ssl.SSLContext) -> str:
        """Return the host whose context this is."""
        return self._hosts.get(context, "")

    def _of(self, host: str) -> ssl.SSLContext:
        return self._found.get(host) or self._make(host)

    def _make(self, host: str) -> ssl.SSLContext:
        if len(self._found) >= MAX_HOSTS:
            return self._default
        try:
            leaf = _leaf(self._authority, host)
        except ValueError:  # no certificate can have such a name
            return self._default
        context = _context(self._spec, leaf)
        context.sni_callback = self._choose
        self._hosts[context] = host
        return self._found.setdefault(host, context)

    def _choose(
        self, tls: ssl.SSLObject, host: str | None, _context: ssl.SSLContext
    ) -> None:
        if host:
            tls.context = self._of(host.lower())


def _authority() -> trustme.CA:
    import trustme

    return trustme.CA(key_type=trustme.KeyType.ECDSA)


def _leaf(authority: trustme.CA, *names: str) -> trustme.LeafCert:
    import trustme

    return authority.issue_cert(*names, key_type=trustme.KeyType.ECDSA)


def _context(spec: ExchangeSpec, leaf: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = _VERSIONS[spec.tls]
    context.set_alpn_protocols(["h2"] * spec.http2 + ["http/1.1"])
    context.options |= ssl.OP_NO_RENEGOTIATION
    if not spec.tickets:
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0  # what TLS 1.3 goes by
    _load(context, leaf)
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


def java_store(ca_pem: str) -> bytes:
    """Return a key store that makes Java trust a certificate, with the usual password.

    Java takes no other format, and cannot do without a password.
    """
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        pkcs12,
    )
    from cryptography.x509 import load_pem_x509_certificate

    found = load_pem_x509_certificate(ca_pem.encode("ascii"))
    trusted = pkcs12.PKCS12Certificate(found, b"vestbench")
    password = BestAvailableEncryption(JAVA_PASSWORD)
    return pkcs12.serialize_java_truststore([trusted], password)
