"""The packet layer of SSH (RFC 4253), both sides: what Conch's services stand on, behind its API.

`transport.Transport` is the protocol, `server` and `client` are its two sides. From the wire up:
`stream` cuts bytes into packets, `protection` opens and seals them, `negotiation` reads what the
other side offers, and `keyexchange` does its mathematics. Of the rest of sshecho it knows the
data types in `wire`, a stream's interface and the limits, no more.
"""
