"""What keeps it up: the doors, who may come in and how much, what is told of it, and the end."""
