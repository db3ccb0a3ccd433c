"""The server's process: what runs behind a test's `Server`, one process each.

- `process`: begins and ends with the test's process.
- `orders`: does what the test asks for.
- `house`: puts the parts together, in place of `sshecho.tap`.
- `settings`: what the server offers and how it behaves, as the test has it.
- `hostkeys`: its host keys, one for each way to sign.
- `papers`: the files that a client needs: keys, known hosts, a configuration for ssh.
- `sshdoor`, `linedoor`: the doors' protocols, which keep in mind what they see.
- `factors`: which methods a client still has to go through, where one is not enough.
- `recorder`: what was seen, for the test to look at.
- `rules`: what commands are answered with, as the test has dictated it.
- `dictation`: the application that answers so.
- `calls`: has the test's callables answer.
"""
