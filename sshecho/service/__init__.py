"""What keeps it up: the doors that listen, their limits, and what the terminal shows."""
