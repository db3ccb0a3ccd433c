"""What `scripts/deploy/cluster` starts: a database, nodes that share it, and HAProxy in front.

    __main__ -> cluster -> node, balancer, store

The configuration files are those of `scripts/deploy`, with loopback addresses in place of the
examples'. The tests start the same cluster, and break it.
"""
