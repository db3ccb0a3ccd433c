"""Clients that flood, guess, fall silent, never read or talk nonsense, for tests and benches.

They go for servers on this machine only.
"""
