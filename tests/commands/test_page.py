"""One page, two notations; what callers and operators wrote stays text in both."""

from proxy.commands.page import Grid, Heading, Items, Words, as_html, as_markdown

BLOCKS = (
    Heading("Migration <leave>", 1),
    Words("a | b `c`\n# d"),
    Items(("one", "[x](javascript:1)")),
    Grid(("name", ">calls"), (("<script>|", "7"),)),
)


def test_markdown_keeps_every_cell_in_its_place():
    """Pipes, backticks, brackets and line breaks of a text are not markup."""
    assert as_markdown(BLOCKS) == (
        "# Migration \\<leave>\n\na \\| b \\`c\\` # d\n\n* one\n* \\[x](javascript:1)\n\n"
        "| name | calls |\n| --- | ---: |\n| \\<script>\\| | 7 |"
    )


def test_html_is_a_page_of_its_own_without_script_or_links():
    """Everything is escaped, numbers stand to the right, nothing is fetched."""
    page = as_html("A & B", BLOCKS)
    assert "<title>A &amp; B</title>" in page
    assert '<td>&lt;script&gt;|</td><td class="n">7</td>' in page
    assert "<script" not in page
    assert "href" not in page
    assert "src=" not in page
