"""What `scripts/bench` measures, and with what: other SSH servers stand beside sshecho.

    servers -> running -> measures <- client
                              |
                           rounds -> results -> table, chart

Linux only: CPU and memory come from /proc and from other processes' CPU clocks.
"""
