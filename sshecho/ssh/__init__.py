"""The SSH door, from the outside in: factory, transport, userauth, connection, session, terminal.

Each stands on Conch's class of that name, and says in its docstring what it does better.
"""
