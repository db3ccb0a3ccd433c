"""SSH's data types, read strictly (RFC 4251, section 5); Conch's getNS takes what is cut short."""

from __future__ import annotations


class Reader:
    """Reads one value after another.

    Args:
        data: where to read.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def string(self) -> bytes:
        """Return the next string.

        Raises:
            ValueError: when it is cut short.
        """
        return self._take(self.number(4))

    def number(self, size: int) -> int:
        """Return the next number.

        Args:
            size: how many bytes it has: 1, 4 (uint32) or 8 (uint64).

        Raises:
            ValueError: when it is cut short.
        """
        return int.from_bytes(self._take(size), "big")

    @property
    def more(self) -> bool:
        """Whether anything is left."""
        return self.at < len(self._data)

    def end(self) -> None:
        """See to it that nothing is left.

        Raises:
            ValueError: when something is.
        """
        if self.more:
            raise ValueError("there is more than there should be")

    def _take(self, count: int) -> bytes:
        start, self.at = self.at, self.at + count
        if self.at > len(self._data):
            raise ValueError("it is cut short")
        return self._data[start : self.at]


def onlyString(data: bytes) -> bytes:
    """Return the string that is all there is.

    Raises:
        ValueError: when it is cut short, or something follows.
    """
    reader = Reader(data)
    string = reader.string()
    reader.end()
    return string
