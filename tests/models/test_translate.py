"""A request written for one model is right for another, and every difference is said."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.models.families import FAMILIES, nearest_effort
from proxy.models.rows import KNOWN_EFFORTS
from proxy.models.translate import UNCHANGED, translate
from tests.models import matrix
from tests.models.bridge import kit
from tests.models.shapes import ASK, IMAGE, PICTURE, SHAPES, WEATHER

ROW = matrix.CATALOGUE.get


def go(fields, source, target, effort=None, **options):
    return translate(fields, ROW(source) if source else None, ROW(target), effort, **options)


def edits(translation):
    return {name: json.loads(value) if value else None for name, value in translation.edits.items()}


@pytest.mark.parametrize("effort", [None, "none", "medium"])
def test_no_pair_of_models_gets_a_parameter_error_or_loses_anything_silently(effort):
    """Every ordered pair x every shape valid for the model it names, judged by rules that are not ours."""
    assert len(SHAPES) >= 60
    bad = [(cell[:3], cell[4] or cell[3]) for cell in matrix.all_cells(effort) if cell[3] == "!" or cell[4]]
    assert not bad, bad[:10]


def test_the_judge_refuses_what_is_not_translated():
    """The matrix would show a translation that did nothing."""
    refused = 0
    for name in ("sampling", "stop_four", "cap_old", "tools", "penalties", "logit_bias", "tools_serial"):
        body = SHAPES[name]
        for target in ("o4-mini", "gpt-6-luna"):
            refused += not matrix.valid(body, target)
    assert refused >= 12


@pytest.mark.parametrize("target", [name for name in matrix.NAMES if ROW(name).family != "gpt-4.1"])
@pytest.mark.parametrize("shape", ["cap_tiny", "cap_50", "cap_tiny_new", "tools_cap"])
def test_a_small_cap_still_gets_an_answer_from_a_model_that_reasons(shape, target):
    """50 tokens written for gpt-4.1-mini pay for words, not for hidden thoughts."""
    sent, translation = matrix.moved(SHAPES[shape], "gpt-4.1-mini", target)
    at = kit.desk()
    at.control.revive = frozenset("*")
    answer = kit.bridged(sent, at) if translation.endpoint == "responses" else kit.directly(sent, at)
    assert answer["choices"][0]["message"]["content"]


class Untouchable(dict):
    def __getitem__(self, name):
        raise AssertionError(f"{name} was decoded")

    get = __getitem__


def test_a_request_for_the_model_it_names_is_not_even_read():
    """Valid or not, it goes up byte for byte: its provider's own words explain what is wrong with it."""
    fields = Untouchable(model="o4-mini", temperature=0.2, max_tokens=5, stop="x")
    assert go(fields, "o4-mini", "o4-mini") is UNCHANGED["chat"]
    assert go(fields, "o4-mini", "o4-mini", "low") is UNCHANGED["chat"]
    assert go(fields, "o4-mini", "o4-mini", wire="responses") is UNCHANGED["responses"]


def test_a_move_inside_a_family_decodes_no_messages():
    """gpt-4.1-mini to gpt-4.1 has nothing to change, however long the conversation."""
    fields = {"messages": object(), "max_tokens": 9, "temperature": 0.1, "stop": "x"}
    translation = go(fields, "gpt-4.1-mini", "gpt-4.1")
    assert (translation.edits, translation.changes) == ({}, ())


@pytest.mark.parametrize(
    ("fields", "source", "target", "effort", "tokens"),
    [
        ({"max_tokens": 50}, "gpt-4.1-mini", "o4-mini", "medium",
         ("reasoning_effort:none->medium", "max_tokens->max_completion_tokens", "cap:50->2098 (reasoning allowance)")),
        ({"max_tokens": 50}, "gpt-4.1-mini", "gpt-6-luna", "none",
         ("reasoning_effort:none", "max_tokens->max_completion_tokens")),
        ({"temperature": 0.2, "top_p": 1}, "gpt-4.1-mini", "o4-mini", None,
         ("reasoning_effort:none->low", "temperature:dropped")),
        ({"temperature": 0.2}, "gpt-4.1-mini", "gpt-6-luna", "none", ("reasoning_effort:none",)),
        ({"stop": "x"}, "gpt-4.1-mini", "gpt-5.4-mini", None, ("stop:emulated",)),
        ({"logprobs": True, "top_logprobs": 20}, "gpt-4.1", "gpt-5.4-mini", None, ("top_logprobs:20->5",)),
        ({"tools": [WEATHER]}, "o4-mini", "gpt-6.1-terra", "medium", ("endpoint:responses",)),
        ({"tools": [WEATHER], "n": 2}, "o4-mini", "gpt-6-astra", None, ("endpoint:responses", "n:fanned_out")),
        ({"tools": [WEATHER], "n": 1, "seed": 3}, "o4-mini", "gpt-6-astra", None, ("endpoint:responses", "seed:dropped")),
        ({"max_completion_tokens": 5, "tools": [WEATHER]}, "o4-mini", "gpt-6-astra", None,
         ("endpoint:responses", "cap:5->16")),
        ({"max_completion_tokens": 100_000}, "o4-mini", "gpt-4.1", None, ("reasoning:medium->none", "cap:100000->32768")),
        ({"reasoning_effort": "xhigh"}, "gpt-5.4-mini", "o4-mini", None, ("reasoning_effort:xhigh->high",)),
        ({"reasoning_effort": "minimal"}, "gpt-5-mini", "gpt-6-luna", None, ("reasoning_effort:minimal->low",)),
        ({"reasoning_effort": "low"}, "o4-mini", "gpt-6-luna", "medium", ()),
        ({}, "o4-mini", "gpt-6-luna", "medium", ()),
        ({}, "gpt-5.2", "o3", None, ("reasoning_effort:none->low",)),
        ({"service_tier": "flex"}, "o4-mini", "gpt-4.1", None, ("reasoning:medium->none", "service_tier:flex->default")),
        ({"verbosity": "low"}, "gpt-5-mini", "gpt-4.1", None, ("reasoning:medium->none", "verbosity:dropped")),
        ({"prompt_cache_options": {}}, "gpt-6-luna", "gpt-5.2", None,
         ("reasoning_effort:medium", "prompt_cache_options:dropped")),
    ],
)  # fmt: skip
def test_the_differences_are_said_in_short_tokens(fields, source, target, effort, tokens):
    """What `x-switchyard-changes` lists for the moves people make."""
    assert go({"messages": ASK, **fields}, source, target, effort).tokens == tokens


def test_both_cap_spellings_are_understood_for_a_route_or_an_alias():
    """A caller of `auto` cannot know who serves; the cap it wrote meant visible words."""
    for name in ("max_tokens", "max_completion_tokens"):
        translation = go({"messages": ASK, name: 50}, None, "o4-mini")
        assert edits(translation)["max_completion_tokens"] == 50 + 2048
    assert not go({"messages": ASK, "max_completion_tokens": 50}, None, "gpt-4.1-mini").edits


def test_two_caps_become_one():
    """The API refuses both together; the newer name is the one kept."""
    translation = go({"max_tokens": 10, "max_completion_tokens": 20}, None, "gpt-4.1-mini")
    assert edits(translation) == {"max_tokens": None}


def test_a_route_decides_the_effort_a_successor_only_suggests_it():
    """`@effort` of a route wins over the caller's; a successor's does not."""
    fields = {"messages": ASK, "reasoning_effort": "high"}
    assert edits(go(fields, None, "gpt-6-luna", "none", decides=True)) == {"reasoning_effort": "none"}
    assert go(fields, "o4-mini", "gpt-6-luna", "none").edits == {}


def test_the_model_and_effort_a_caller_wrote_is_obeyed_even_on_its_own_model():
    """`gpt-6-luna@none` in `model` is an effort for gpt-6-luna."""
    assert edits(go({"messages": ASK}, "gpt-6-luna", "gpt-6-luna", "none", decides=True)) == {
        "reasoning_effort": "none"
    }


def test_rejecting_losses_accepts_renames_and_emulations():
    """`on_loss: reject` refuses what changes the meaning, and says what."""
    fine = {"messages": ASK, "max_tokens": 50, "stop": "x"}
    assert not go(fine, "gpt-4.1-mini", "gpt-5.4-mini", on_loss="reject").excluded
    lossy = {"messages": ASK, "logit_bias": {"1": 1}}
    assert (
        go(lossy, "gpt-4.1-mini", "gpt-5.4-mini", on_loss="reject").excluded == "on_loss: logit_bias:dropped"
    )


def test_logprobs_exclude_a_model_until_nobody_else_is_left():
    """A model without them is left out; as the last resort they are dropped and listed."""
    fields = {"messages": ASK, "logprobs": True, "top_logprobs": 2}
    assert go(fields, "gpt-4.1", "o4-mini").excluded == "logprobs"
    last = go(fields, "gpt-4.1", "o4-mini", last_resort=True)
    assert not last.excluded
    assert {"logprobs:dropped", "top_logprobs:dropped"} <= set(last.tokens)


@pytest.mark.parametrize(
    ("fields", "source", "target", "reason"),
    [
        ({"messages": PICTURE}, "o4-mini", "o3-mini", "images"),
        ({"messages": PICTURE}, None, "gpt-oss-120b", "images"),
        (
            {"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]},
            None,
            "gpt-oss-120b",
            "files",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]},
            "gpt-audio",
            "gpt-6-luna",
            "audio",
        ),
        ({"modalities": ["text", "audio"], "audio": {}}, "gpt-audio", "gpt-6-luna", "audio"),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "gpt-6-luna", "o3", "custom_tools"),
        ({"response_format": {"type": "json_schema"}}, "gpt-4.1", "gpt-4", "json_schema"),
        ({"input": []}, "gpt-4.1", "text-embedding-3-small", "not a chat model"),
    ],
)
def test_what_nobody_can_replace_excludes_the_target_before_sending(fields, source, target, reason):
    """Images, audio, files and schemas decide who is eligible."""
    assert go(fields, source, target).excluded == reason


def test_tools_with_reasoning_exclude_a_target_that_has_no_responses_endpoint():
    """A target that takes tools only without reasoning cannot keep the effort on chat."""
    chat_only = replace(ROW("gpt-5.4-mini"), endpoints=frozenset({"chat"}))
    assert translate({"tools": [WEATHER]}, ROW("o4-mini"), chat_only).excluded


RESPONSES = {"input": "hello", "max_output_tokens": 50, "temperature": 0.2}


@pytest.mark.parametrize(
    ("fields", "source", "target", "effort", "expected"),
    [
        (RESPONSES, "gpt-4.1-mini", "gpt-6-luna", "none", {"reasoning": {"effort": "none"}}),
        (RESPONSES, "gpt-4.1-mini", "o3", None,
         {"reasoning": {"effort": "low"}, "temperature": None, "max_output_tokens": 1074}),
        ({"input": "x", "reasoning": {"effort": "high", "summary": "auto"}}, "o4-mini", "gpt-4.1", None,
         {"reasoning": {"summary": "auto"}}),
        ({"input": "x", "reasoning": {"effort": "max"}}, "gpt-6-luna", "gpt-5.2", None, {"reasoning": {"effort": "xhigh"}}),
        ({"input": "x", "tools": [{"type": "function"}]}, "o4-mini", "gpt-6-astra", None, {}),
        ({"input": "x", "text": {"verbosity": "low", "format": {}}}, "gpt-5", "gpt-4.1", None, {"text": {"format": {}}}),
        ({"input": "x", "parallel_tool_calls": True}, "gpt-6-luna", "o3", None, {"parallel_tool_calls": None}),
        ({"input": "x", "include": ["a", "message.output_text.logprobs"]}, "gpt-4.1", "gpt-5.2", None, {}),
    ],
)  # fmt: skip
def test_a_responses_request_is_moved_by_the_same_rules(fields, source, target, effort, expected):
    """Effort, sampling and the cap have other names there, nothing else differs."""
    translation = go(fields, source, target, effort, wire="responses")
    assert edits(translation) == expected
    assert translation.endpoint == "responses"


def test_a_responses_request_cannot_move_to_a_model_without_that_endpoint():
    """gpt-oss is served on chat only."""
    assert go({"input": "x"}, "o4-mini", "gpt-oss-120b", wire="responses").excluded


def test_pictures_in_a_responses_request_are_seen():
    """input_image parts decide like image_url parts."""
    parts = {
        "input": [
            {"role": "user", "content": [{"type": "input_image", "image_url": IMAGE["image_url"]["url"]}]}
        ]
    }
    assert go(parts, "o4-mini", "o3-mini", wire="responses").excluded == "images"


@given(
    st.sampled_from(matrix.NAMES), st.sampled_from(matrix.NAMES),
    st.fixed_dictionaries({}, optional={name: st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.lists(
        st.one_of(st.text(), st.integers(), st.dictionaries(st.text(), st.integers())))) for name in (
        "max_tokens", "max_completion_tokens", "stop", "n", "temperature", "tools", "logprobs", "top_logprobs", "verbosity",
        "messages", "service_tier", "reasoning_effort", "response_format", "modalities", "logit_bias", "functions")}),
)  # fmt: skip
def test_nonsense_is_translated_without_falling_over(source, target, fields):
    """Values of the wrong type are the provider's to refuse, not ours to crash on."""
    go(fields, source, target)


@pytest.mark.parametrize("name", [name for name, family in FAMILIES.items() if family.reasons])
def test_reasoning_never_turns_off_by_mapping_efforts(name):
    """none stays none or becomes the least; every other effort stays one that reasons."""
    accepted = FAMILIES[name].efforts
    for effort in KNOWN_EFFORTS:
        mapped = nearest_effort(effort, accepted, KNOWN_EFFORTS)
        assert mapped in accepted
        if effort == "none":
            assert mapped == accepted[0]
        else:
            assert mapped != "none"
