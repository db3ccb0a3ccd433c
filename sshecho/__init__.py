"""sshecho: an echo you log in to.

One Cred portal stands behind two doors: an SSH server, and a plain TCP server that asks for
``user pass`` on the first line. The way through the house::

    connection -> transport -> userauth -> Portal -> checker -> realm -> avatar -> session -> echo
                  line login ---^

- `sshecho.echo`: what a login gets.
- `sshecho.session`: what the echo can ask about the session it runs in.
- `sshecho.people`: what the person at the server's terminal is told.
- `sshecho.line` and `sshecho.telnet`: the line door.
- `sshecho.ssh`: the SSH door.
- `sshecho.cred`: who is it? The realm, the avatars and the checkers.
- `sshecho.service`: what listens, within which limits, and what is said on the terminal.
- `sshecho.workers`: several processes behind the doors.
- `sshecho.web`: what operators look at: metrics, health, and the live sessions.
- `sshecho.passwd`: writes the users of a file or a database.
- `sshecho.probe`: logs in from the client's side, for monitors and health checks.
- `sshecho.testing`: a server for people who test SSH clients, and its faults.
- `sshecho.tap`: the options of serving, and the only place where the parts are put together.
- `sshecho.dropin`: how twistd finds all this.
"""

__version__ = "0.1.0"
