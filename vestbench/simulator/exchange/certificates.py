"""An authority and a certificate that live as long as the exchange, and its TLS.

The authority signs a leaf instead of being one: rustls, and with it reqwest, refuses a
certificate that is both.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence

LOOPBACK = ("127.0.0.1", "::1", "localhost")

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def server_context(version: str, names: Sequence[str]) -> tuple[ssl.SSLContext, str]:
    """Return the TLS settings of the server, and the certificate to trust as PEM.

    Args:
        version: 1.2 or 1.3, the only one that is spoken.
        names: Host names and addresses that it is valid for besides loopback.

    Raises:
        ValueError: The version is not known, or a name cannot be in a certificate.
    """
    if version not in _VERSIONS:
        raise ValueError(f"tls {version} is not one of {', '.join(_VERSIONS)}")
    import trustme

    # Elliptic curves: an RSA key takes 50 to 500 ms to find, and its signature makes
    # the handshake 1 ms slower than that of the servers that are simulated.
    kind = trustme.KeyType.ECDSA
    authority = trustme.CA(key_type=kind)
    every_name = dict.fromkeys((*LOOPBACK, *names))
    leaf = authority.issue_cert(*every_name, key_type=kind)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = _VERSIONS[version]
    context.set_alpn_protocols(["http/1.1"])
    context.options |= ssl.OP_NO_RENEGOTIATION
    leaf.configure_cert(context)
    return context, authority.cert_pem.bytes().decode()
