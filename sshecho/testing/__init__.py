"""A server for people who test SSH clients."""
