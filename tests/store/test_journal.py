"""Bills on disk: none is lost to another thread, or to a parent that looks for journals left behind."""

import os
import resource
import threading
from pathlib import Path

import pytest

from proxy.store.journal import Journal, orphans
from proxy.store.ports import Settlement
from tests.store.kit import as_raw, row

DESCRIPTORS = Path("/proc/self/fd")


def bills(*numbers):
    return [Settlement(f"1-{number}", 5, 0, (), as_raw(row(5, number))) for number in numbers]


def test_a_journal_is_not_emptied_of_bills_that_come_while_it_is_entered(directory):
    """Bills are written in one thread while others are read, entered and dropped in another: each is read at least once."""
    journal, entered, most = Journal(directory, "busy"), set(), 2000
    writing = threading.Thread(target=lambda: [journal.append(bills(number)) for number in range(most)])
    writing.start()
    while writing.is_alive() or journal.pending:
        found = journal.read()
        entered.update([bill.id for bill in found])
        journal.clear(len(found))
    writing.join()
    journal.close()
    assert len(entered) == most
    assert not list(directory.iterdir())


def test_a_journal_whose_disk_was_full_for_a_while_is_emptied_once_all_is_entered(directory):
    """A write that fails may have left lines behind: they are read, and do not keep the journal from being dropped."""
    journal = Journal(directory, "full")
    journal.append(bills(1))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3 * (directory / "journal-full.jsonl").stat().st_size, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            journal.append(bills(*range(2, 9)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    journal.append(bills(*range(2, 9)))
    found = journal.read()
    assert {bill.id for bill in found} == {bill.id for bill in bills(*range(1, 9))}
    journal.clear(len(found))
    assert (journal.pending, journal.read()) == (0, [])
    journal.close()


@pytest.mark.skipif(not DESCRIPTORS.exists(), reason="who has a file open is read from /proc")
def test_a_journal_that_was_taken_for_left_behind_as_it_began_is_begun_again(directory):
    """A parent that gets the lock between its owner's opening and locking finds it empty and removes it; the bills are then
    written to a file that has a name, and the owner reads them."""
    path = directory / "journal-new.jsonl"
    path.touch()
    (orphan,) = orphans(directory)
    journal = Journal(directory, "new")
    writing = threading.Thread(target=journal.append, args=(bills(1, 2),))
    writing.start()
    while sum(os.path.realpath(each) == str(path.resolve()) for each in DESCRIPTORS.iterdir()) < 2:
        assert writing.is_alive()
    assert orphan.read() == []
    orphan.remove()
    writing.join()
    assert path.exists()
    assert [bill.id for bill in journal.read()] == ["1-1", "1-2"]
    assert list(orphans(directory)) == []
    journal.close()


def test_a_journal_that_vanishes_while_others_are_entered_is_passed_over(directory):
    """Its owner came to an end in good order, after the parent had seen the file."""
    first, last = Journal(directory, "a"), Journal(directory, "b")
    first.append(bills(1))
    first._file.close()
    last.append(bills(2))
    found = orphans(directory)
    orphan = next(found)
    last.clear(1)
    last.close()
    assert list(found) == []
    assert [bill.id for bill in orphan.read()] == ["1-1"]
    orphan.close()
