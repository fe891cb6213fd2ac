"""Words for Redis are what hiredis would have written."""

from hiredis import pack_command
from hypothesis import given
from hypothesis import strategies as st

from proxy.store import keys, resp

WORDS = st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=8)


@given(WORDS)
def test_words_are_packed_as_hiredis_packs_them(words):
    """Whatever is in them: line ends, letters of several bytes, nothing at all."""
    count = b"*%d\r\n" % len(words)
    assert count + resp.words(words) == pack_command(tuple(words))
    assert count + resp.names(tuple(words)) == pack_command(tuple(words))
    assert count + b"".join([resp.word(each.encode()) for each in words]) == pack_command(tuple(words))


@given(st.from_regex(r"[0-9a-f]{1,6}-[0-9a-f]{1,32}", fullmatch=True))
def test_the_keys_of_a_hold_are_packed_as_they_are_named(hold_id):
    """In one go for speed, and still the two keys of the table."""
    assert keys.own_words(hold_id) == resp.words((keys.hold(hold_id), keys.done(hold_id)))
