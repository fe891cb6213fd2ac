"""A request written for one model is right for another, and every difference is said."""

import json
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import BadRequest
from proxy.models.catalogue import load
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


PIECES = {
    "max_tokens": st.sampled_from([1, 50, 40_000, 128_000]),
    "max_completion_tokens": st.sampled_from([1, 20, 30_000, 100_000]),
    "temperature": st.sampled_from([0, 0.5, 1, 2]),
    "top_p": st.sampled_from([0.1, 1]),
    "presence_penalty": st.sampled_from([0, 1.5]),
    "logit_bias": st.sampled_from([{}, {"5": 1}]),
    "logprobs": st.booleans(),
    "top_logprobs": st.sampled_from([0, 3, 20]),
    "stop": st.sampled_from(["x", ["a", "b"]]),
    "n": st.sampled_from([1, 2]),
    "seed": st.just(7),
    "store": st.booleans(),
    "tools": st.sampled_from([[WEATHER], [{"type": "custom", "custom": {"name": "shell"}}]]),
    "tool_choice": st.sampled_from(["auto", "required"]),
    "parallel_tool_calls": st.booleans(),
    "reasoning_effort": st.sampled_from(KNOWN_EFFORTS),
    "verbosity": st.sampled_from(["low", "medium", "high"]),
    "service_tier": st.sampled_from(["auto", "default", "flex", "priority"]),
    "prediction": st.just({"type": "content", "content": "x"}),
    "prompt_cache_options": st.just({"mode": "explicit"}),
    "response_format": st.sampled_from([{"type": "text"}, SHAPES["schema"]["response_format"]]),
    "stream": st.booleans(),
    "user": st.just("u"),
}


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(matrix.NAMES),
    st.sampled_from(matrix.NAMES),
    st.sampled_from([None, "none", "low", "medium"]),
    st.sampled_from([ASK, PICTURE, SHAPES["tool_loop_over"]["messages"], SHAPES["turns"]["messages"]]),
    st.fixed_dictionaries({}, optional=PIECES),
)
def test_any_mixture_of_parameters_a_model_takes_is_taken_by_any_other(
    source, target, effort, messages, fields
):
    """Not only the shapes we thought of: rules must not get in each other's way."""
    shape = {"messages": messages}
    for name, value in fields.items():
        if matrix.valid({**shape, name: value}, source):
            shape[name] = value
    letter, faults = matrix.cell(shape, source, target, effort)
    assert letter != "!", faults
    assert not faults


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


def test_max_tokens_means_visible_words_also_where_the_model_named_reasons():
    """Reasoning models never took this spelling: who writes it to o4-mini must not get an empty answer from its successor.
    The spelling that includes reasoning is kept as written, and so is max_tokens on open weights, which take it."""
    moved = go({"messages": ASK, "max_tokens": 50}, "o4-mini", "gpt-6.1-terra", "medium")
    assert edits(moved)["max_completion_tokens"] == 50 + 2048
    assert not go({"messages": ASK, "max_completion_tokens": 50}, "o4-mini", "gpt-6.1-terra", "medium").edits
    assert (
        edits(go({"messages": ASK, "max_tokens": 50}, "gpt-oss-120b", "gpt-6.1-terra"))[
            "max_completion_tokens"
        ]
        == 50
    )


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
         {"reasoning": None}),
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


RESPONSES_PIECES = {
    "max_output_tokens": st.sampled_from([16, 50, 40_000, 128_000]),
    "temperature": st.sampled_from([0, 1]),
    "top_p": st.sampled_from([0.1, 1]),
    "reasoning": st.fixed_dictionaries(
        {}, optional={"effort": st.sampled_from(KNOWN_EFFORTS), "summary": st.just("auto")}
    ),
    "include": st.lists(
        st.sampled_from(["message.output_text.logprobs", "reasoning.encrypted_content"]), unique=True
    ),
    "top_logprobs": st.sampled_from([0, 3, 20]),
    "text": st.fixed_dictionaries(
        {}, optional={"verbosity": st.sampled_from(["low", "medium"]), "format": st.just({"type": "text"})}
    ),
    "tools": st.sampled_from(
        [[{"type": "function", "name": "f", "parameters": {}}], [{"type": "web_search"}]]
    ),
    "parallel_tool_calls": st.booleans(),
    "service_tier": st.sampled_from(["auto", "flex"]),
    "prompt_cache_options": st.just({"mode": "explicit"}),
    "store": st.booleans(),
}
THOUGHT = [
    {"role": "user", "content": "x"},
    {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA-sandbox-1"},
    {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c", "output": "1"},
]


def taken(body, model):
    try:
        matrix.strictly_responses(body, model)
    except matrix.Refusal as refusal:
        return refusal.message
    return ""


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(matrix.NAMES),
    st.sampled_from([name for name in matrix.NAMES if name != "gpt-oss-120b"]),
    st.sampled_from([None, "none", "low", "medium"]),
    st.sampled_from(["hello", THOUGHT]),
    st.fixed_dictionaries({}, optional=RESPONSES_PIECES),
)
def test_any_responses_request_a_model_takes_is_taken_by_any_other(
    source, target, effort, given_input, fields
):
    """The same promise on the other endpoint; what changed is listed."""
    body = {"input": given_input}
    for name, value in fields.items():
        if not taken({**body, name: value}, source):
            body[name] = value
    translation = go(body, source, target, effort, wire="responses")
    if translation.excluded:
        assert translation.excluded in {"logprobs", "custom_tools"}
        return
    sent = {**body, **edits(translation)}
    sent = {name: value for name, value in sent.items() if value is not None}
    assert not taken(sent, target)
    assert translation.changes or sent == body
    if FAMILIES[ROW(source).family].reasons and not FAMILIES[ROW(target).family].reasons:
        assert "encrypted_content" not in json.dumps(sent)


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
    """Values of the wrong type are refused as the API would refuse them, or left to the provider; nothing else is raised."""
    with suppress(BadRequest):
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


MARKED = [{"type": "text", "text": "long", "prompt_cache_breakpoint": {"mode": "explicit"}}, "odd"]


def test_cache_breakpoints_are_taken_out_for_models_that_do_not_know_them():
    """Inside messages, where the new families allow them; everything around them stays."""
    messages = [{"role": "system", "content": "x"}, {"role": "user", "content": MARKED}]
    translation = go({"messages": messages}, "gpt-6-luna", "gpt-5.2")
    sent = edits(translation)["messages"]
    assert sent == [messages[0], {"role": "user", "content": [{"type": "text", "text": "long"}, "odd"]}]
    assert "messages.prompt_cache_breakpoint:dropped" in translation.tokens
    assert "messages" not in go({"messages": messages}, "gpt-6-luna", "gpt-6.1-terra").edits
    moved = go({"input": messages}, None, "gpt-5.2", wire="responses")
    assert "input.prompt_cache_breakpoint:dropped" in moved.tokens


def test_log_probabilities_of_a_responses_request_follow_the_same_rule():
    """Excluded first, dropped and listed as the last resort, clamped where they are taken."""
    fields = {"input": "x", "include": ["message.output_text.logprobs"], "top_logprobs": 9}
    assert go(fields, "gpt-4.1", "o3", wire="responses").excluded == "logprobs"
    last = go(fields, "gpt-4.1", "o3", wire="responses", last_resort=True)
    assert {"logprobs:dropped", "top_logprobs:dropped"} <= set(last.tokens)
    assert go(fields, "gpt-4.1", "gpt-5.2", wire="responses").tokens == ("top_logprobs:9->5",)


def test_an_effort_of_none_means_nothing_to_a_model_that_never_reasons():
    """It is taken out, and nothing is lost."""
    translation = go({"messages": ASK, "reasoning_effort": "none"}, "gpt-5.4-mini", "gpt-4.1-mini")
    assert [(change.token, change.loss) for change in translation.changes] == [
        ("reasoning_effort:dropped", False)
    ]
    assert translation.effort == "none"
    assert str(translation.changes[0]) == "reasoning_effort:dropped"


def test_an_emulation_is_true_when_there_is_something_to_do():
    """Planners ask `if translation.emulate`."""
    assert not go({"messages": ASK}, "o4-mini", "gpt-6-luna").emulate
    assert go({"messages": ASK, "stop": ["x"]}, "gpt-4.1", "gpt-6-luna", "none").emulate


def test_models_of_other_providers_keep_the_effort_when_they_reason():
    """litellm passes it on; a model that does not reason never sees one."""
    catalogue = load(wanted=["claude-sonnet-4-5", "mistral/mistral-small-latest"])
    claude, mistral = (
        catalogue.resolve("claude-sonnet-4-5"),
        catalogue.resolve("mistral/mistral-small-latest"),
    )
    fields = {"messages": ASK, "stop": "x", "temperature": 1, "max_completion_tokens": 900}
    assert edits(translate(fields, ROW("o4-mini"), claude)) == {"reasoning_effort": "medium"}
    assert translate(fields, ROW("gpt-4.1-mini"), claude).edits == {}
    assert translate(fields, ROW("gpt-4.1-mini"), mistral).edits == {}


def test_open_weights_that_do_not_reason_are_asked_for_nothing_new():
    """A plain model behind vLLM takes what gpt-4.1-mini takes, byte for byte."""
    row = {
        "family": "open-fast",
        "context": 9000,
        "max_output": 900,
        "usd_per_m": {"input": "0.1", "output": "0.1"},
    }
    llama = load({"llama": row}).get("llama")
    fields = {"messages": ASK, "max_tokens": 50, "stop": "x", "temperature": 0.1, "logit_bias": {"1": 1}}
    assert translate(fields, ROW("gpt-4.1-mini"), llama).edits == {}
