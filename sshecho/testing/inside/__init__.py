"""The server's process: what runs behind a test's `Server`, one process each.

- `process`: begins and ends with the test's process.
- `orders`: does what the test asks for.
- `house`: puts the parts together, in place of `sshecho.tap`.
- `settings`: what the server offers and how it behaves, as the test has it.
- `hostkeys`: its host keys, one for each way to sign.
- `papers`: the files that a client needs: keys, known hosts, a configuration for ssh.
- `doors`: the doors' protocols, which keep in mind what they see.
- `recorder`: what was seen, for the test to look at.
- `dictation`: the application, which answers as the test has dictated.
- `calls`: has the test's callables answer.
"""
