"""What `scripts/soak` does to a server for minutes, and what it says of it.

    meter, crowd -> reporting -> soak -> record -> verdicts, tables, picture
                   rotation, server --^

The meter and the crowd are clients with manners, each in a process of its own, and every byte of
theirs has to come back; the rotation's attacks come beside them. Linux only, as the bench is.
"""
