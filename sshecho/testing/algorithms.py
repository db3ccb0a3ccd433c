"""What a server for tests can offer: names, and nothing that would have to be imported for them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

ALGORITHMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "kex": (
            "mlkem768x25519-sha256",  # where cryptography has ML-KEM
            "curve25519-sha256",
            "curve25519-sha256@libssh.org",
            "ecdh-sha2-nistp256",
            "ecdh-sha2-nistp384",
            "ecdh-sha2-nistp521",
            "diffie-hellman-group-exchange-sha256",
            "diffie-hellman-group18-sha512",
            "diffie-hellman-group16-sha512",
            "diffie-hellman-group14-sha256",
            "diffie-hellman-group-exchange-sha1",
            "diffie-hellman-group14-sha1",
            "diffie-hellman-group1-sha1",
        ),
        "ciphers": (
            "aes256-gcm@openssh.com",
            "aes128-gcm@openssh.com",
            "chacha20-poly1305@openssh.com",
            "aes256-ctr",
            "aes192-ctr",
            "aes128-ctr",
            "aes256-cbc",
            "aes192-cbc",
            "aes128-cbc",
            "3des-cbc",
        ),
        "macs": (
            "hmac-sha2-256-etm@openssh.com",
            "hmac-sha2-512-etm@openssh.com",
            "hmac-sha2-256",
            "hmac-sha2-512",
            "hmac-sha1-etm@openssh.com",
            "hmac-sha1",
            "hmac-sha1-96-etm@openssh.com",
            "hmac-sha1-96",
            "hmac-md5-etm@openssh.com",
            "hmac-md5",
            "hmac-md5-96-etm@openssh.com",
            "hmac-md5-96",
        ),
        "host_keys": (
            "ssh-ed25519",
            "ecdsa-sha2-nistp256",
            "ecdsa-sha2-nistp384",
            "ecdsa-sha2-nistp521",
            "rsa-sha2-512",
            "rsa-sha2-256",
            "ssh-rsa",
        ),
        "public_keys": (  # what users may sign with
            "ssh-ed25519",
            "ecdsa-sha2-nistp256",
            "ecdsa-sha2-nistp384",
            "ecdsa-sha2-nistp521",
            "rsa-sha2-512",
            "rsa-sha2-256",
            "sk-ssh-ed25519@openssh.com",
            "sk-ecdsa-sha2-nistp256@openssh.com",
            "ssh-rsa",
        ),
        "compression": ("none", "zlib@openssh.com", "zlib"),
    }
)
"""By kind the names of all that there is, best first; `oldalgorithms` brings the worst of them."""
