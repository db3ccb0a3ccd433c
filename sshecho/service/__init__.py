"""What keeps it up: the doors that listen, and what the terminal shows."""
