"""Serving: the options, and the service made of them. Only here are the parts put together.

- `sshecho.tap.options`: what can be said on the command line.
- `sshecho.tap.service`: the service of the process that listens, which may be the only one.
- `sshecho.tap.worker`: what a worker does with the same options, if there are workers.
- `sshecho.tap.rooms`: what is the same in every process.
"""

from sshecho.tap.options import EchoOptions, Options
from sshecho.tap.service import makeService

__all__ = ["EchoOptions", "Options", "makeService"]
