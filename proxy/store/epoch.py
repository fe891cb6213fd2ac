"""Whether the data in Redis is the data this process has been counting in.

An epoch is a random name that begins with the data. Every write also raises `seq`, and each process remembers the highest it
was told. Data with another epoch, or with a lower seq, is not ours: flushed, restored from a backup, or an old replica that
was promoted. Counters in it are too low, so hard budgets refuse until they are rebuilt (`restore_v1`), which begins a new
epoch that names the one it continues and the snapshot it was rebuilt from. What was entered after that snapshot is
entered again by the processes that remember it; ids make sure that nothing counts twice.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from proxy.store import keys
from proxy.store.client import Pipe
from proxy.store.ports import Settlement
from proxy.store.scripts import EPOCH

ANY_EPOCH: Final = "*"
"""As the epoch a rebuild continues: an operator without a snapshot says that this data is to be counted on."""

_MOST_REMEMBERED: Final = 8192
_LOOKS_KEPT: Final = 5


class Epoch:
    """`name` and `seq` as this process knows them; `lost` while the data is not ours; `name` is "" before the first look."""

    __slots__ = ("_entered", "_new_name", "_snapshots", "known", "lost", "name", "seq")

    def __init__(self, known: str, new_name: Callable[[], str]) -> None:
        """`known` is the epoch a snapshot on disk remembers, "" for none."""
        self._new_name = new_name
        self._entered: deque[tuple[int, Settlement]] = deque(maxlen=_MOST_REMEMBERED)
        self._snapshots: deque[int] = deque([0], maxlen=_LOOKS_KEPT)
        self.known = known
        self.name = ""
        self.seq = 0
        self.lost = False

    def saw(self, seq: int) -> None:
        """Redis answered with this seq."""
        if seq > self.seq:
            self.seq = seq

    def entered(self, bills: Sequence[Settlement]) -> None:
        """Remember bills that Redis has taken, until a snapshot has them too."""
        self._entered.extend([(self.seq, bill) for bill in bills if bill.counters])

    async def look(self, pipe: Pipe) -> list[Settlement]:
        """Compare with Redis; returns what must be entered again after a rebuild. Raises StoreAway."""
        # What was known when asking: answers on another connection may raise `seq` while this one is on its way.
        expected, least_seq = self.name or self.known, self.seq
        arguments = (self._new_name(), "1" if expected else "0")
        found: Any = await pipe.script(EPOCH, [keys.META], arguments)
        name, seq, previous, restored_seq, snapshot_seq = found
        name = name.decode()
        again: list[Settlement] = []
        if name == expected and seq >= least_seq:
            self._adopt(name, seq)
        elif name and self._continues(name, previous.decode().split()):
            self._adopt(name, seq)
            again = [bill for at, bill in self._entered if at > restored_seq]
        else:
            self.lost = True
        self._forget(snapshot_seq)
        return again

    def _continues(self, name: str, previous: list[str]) -> bool:
        """Whether another epoch is ours: it continues the one we knew, or we are new here and take what there is."""
        if not self.name:
            return name != self.known
        return self.name in previous or ANY_EPOCH in previous

    def _adopt(self, name: str, seq: int) -> None:
        if name != self.name:
            self.seq = 0
        self.name, self.known, self.lost = name, name, False
        self.saw(seq)

    def _forget(self, snapshot_seq: int) -> None:
        """Let go what snapshots have had for some looks: parents on several machines write theirs at different times."""
        self._snapshots.append(snapshot_seq)
        while self._entered and self._entered[0][0] <= self._snapshots[0]:
            self._entered.popleft()
