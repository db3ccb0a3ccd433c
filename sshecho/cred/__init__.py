"""Who is it? Cred's parts: the realm and its avatars, the checkers, the chain that joins them.

Nothing here knows a door. A checker is one file: it says which credentials it takes, checks
them against its store, and ends with a checker factory that ``--auth`` and any other twistd
application can find.
"""
