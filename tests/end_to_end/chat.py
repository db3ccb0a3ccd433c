"""A chat: what one says, the others read."""

from twisted.protocols.basic import LineOnlyReceiver


class Chat(LineOnlyReceiver):
    """One person in the room, from their login to their leave."""

    delimiter = b"\n"
    room = set()

    def connectionMade(self):
        self.name = readable(self.transport.session.user)
        for other in self.room:
            self.sendLine(f"{other.name} is here".encode())
        self.room.add(self)
        self.tell(f"{self.name} has come")

    def lineReceived(self, line):
        self.tell(f"{self.name}: {readable(line)}")

    def connectionLost(self, reason):
        self.room.discard(self)
        self.tell(f"{self.name} has gone")

    def tell(self, text):
        for other in self.room - {self}:
            other.sendLine(text.encode())


def readable(words):
    """Return what somebody sent as text that can't steer another's terminal."""
    return "".join(c for c in words.decode(errors="replace") if c.isprintable())
