"""Clients in memory that send what nobody should, for the fuzz tests and for `scripts/fuzz`.

    __main__ -> fuzzer -> targets -> house, wire, visitor -> watch

`house` puts the doors together, `wire` is a connection to one of them, `visitor` an SSH client at
its end; `watch` sees what was logged. `targets` turn bytes into what a client does, and `fuzzer`
has atheris make up the bytes.
"""
