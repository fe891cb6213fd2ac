"""Stored objects: bounded, newest first."""

from proxy.sandbox.vault import Shelf, StoredResponse, Vault


def test_a_shelf_drops_the_oldest():
    """At its limit."""
    shelf = Shelf(2)
    for name in "abc":
        shelf.put(name, name.upper())
    assert (shelf.get("a"), list(shelf.newest_first()), len(shelf)) == (None, ["C", "B"], 2)
    assert (shelf.pop("c"), shelf.pop("c")) == ("C", None)


def test_items_of_a_kept_response_are_known_by_id():
    """For references and reasoning."""
    vault = Vault()
    vault.keep_response(StoredResponse({"id": "resp_1", "output": [{"id": "msg_1"}]}, (), ()))
    assert vault.items.get("msg_1") == {"id": "msg_1"}
    assert vault.ordinal() < vault.ordinal()
