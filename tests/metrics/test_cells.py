"""The mapped file: what is written is what a reader sees, whole records only."""

import pytest

from proxy.metrics.cells import Cells, CellsReader


def test_a_reader_sees_numbers_and_series_as_they_come(tmp_path):
    """Values written after the reader opened, and series made after its first read, are read."""
    cells = Cells(tmp_path / "1-1.cells", 1)
    first = cells.series(("a", "é\n"), 3)
    reader = CellsReader(cells.path)
    cells.values[first + 2] += 1.5
    assert list(reader.read()) == [(("a", "é\n"), (0.0, 0.0, 1.5))]
    second = cells.series(("b",), 1)
    cells.values[second] = 7.0
    assert cells.series(("b",), 1) == second
    assert dict(reader.read())[("b",)] == (7.0,)
    assert reader.pid == 1
    reader.close()
    cells.close()


def test_a_process_never_takes_over_another_ones_file(tmp_path):
    """A second writer on a name still being made is refused."""
    (tmp_path / "1-1.draft").write_bytes(b"")
    with pytest.raises(FileExistsError):
        Cells(tmp_path / "1-1.cells", 1)


def test_a_full_file_spills_without_touching_what_it_holds(tmp_path):
    """Series that do not fit share a place outside every record."""
    cells = Cells(tmp_path / "1-1.cells", 1, size_bytes=4096)
    kept = cells.series(("kept",), 1)
    cells.values[kept] = 1.0
    places = {cells.series(("histogram", str(number)), 24) for number in range(100)}
    spill = max(places)
    for offset in range(24):
        cells.values[spill + offset] = 9.0
    reader = CellsReader(cells.path)
    seen = dict(reader.read())
    assert seen.pop(("kept",)) == (1.0,)
    assert 0 < len(seen) < 100 and all(set(numbers) == {0.0} for numbers in seen.values())
    assert cells.dropped == 100 - len(seen)
    reader.close()
    cells.close()


def test_another_kind_of_file_is_refused(tmp_path):
    """A file that is not ours is named and not read."""
    path = tmp_path / "x.cells"
    path.write_bytes(b"not metrics at all" * 100)
    with pytest.raises(ValueError, match=r"x\.cells is not a metrics file"):
        CellsReader(path)
