"""``sshecho probe``: logs in, sends a line, waits for its echo, and says how it went.

- `sshecho.probe.command`: the options, the output and the exit status.
- `sshecho.probe.target`: whom to ask, from ``[user@]host[:port]`` or a URL.
- `sshecho.probe.identity`: what to log in with: keys, or a password.
- `sshecho.probe.hostkeys` and `sshecho.probe.knownhosts`: whether the host is who it should be.
- `sshecho.probe.client`: connects, with time-outs, and tries again with ``--wait``.
- `sshecho.probe.sshclient`, `sshecho.probe.userauth` and `sshecho.probe.lineclient`: the two doors,
  from the client's side.
- `sshecho.probe.attempt` and `sshecho.probe.report`: what is known so far, and how it is shown.
"""
