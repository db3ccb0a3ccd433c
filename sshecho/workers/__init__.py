"""Several processes behind the doors (``--workers N``).

The parent listens, and holds the limits and penalties of the whole; each connection that comes in
it hands to the worker with the fewest, as an open socket. There the connection lives and dies::

    accept -> gate -> crew -> link  ~~~  link -> reception -> transport -> ... (as in one process)
                parent                                  worker

- `sshecho.workers.link`: the socket between the two.
- `sshecho.workers.crew`: the parent's workers: how they come, get connections, and go.
- `sshecho.workers.worker`: one of them, as the parent sees it.
- `sshecho.workers.starting`: how its process is made.
- `sshecho.workers.handed`: one of its connections, as the parent's gate sees it.
- `sshecho.workers.handing`: what the parent does with a connection that comes in.
- `sshecho.workers.reception`: what a worker does with it, and how it tells what becomes of it;
  `sshecho.workers.connecting` and `sshecho.workers.behind` make its transport and protocol.
- `sshecho.workers.report`: how a worker's events come into the audit log.
- `sshecho.workers.process`: the worker's process.
"""
