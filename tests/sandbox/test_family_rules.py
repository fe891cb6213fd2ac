"""Each row of the family table: what a model takes, and with which words it refuses the rest."""

import pytest

from tests.sandbox.kit import everything, tool

CLASSIC = ("gpt-4.1", "gpt-4.1-mini", "gpt-4o", "gpt-4o-mini")
O = ("o1", "o3", "o3-mini", "o4-mini")
FIVE = ("gpt-5", "gpt-5-mini", "gpt-5-nano")
NONE_BY_DEFAULT = ("gpt-5.1", "gpt-5.2", "gpt-5.4", "gpt-5.4-mini", "gpt-5.4-nano")
MEDIUM_BY_DEFAULT = (
    "gpt-5.6-luna",
    "gpt-5.6-terra",
    "gpt-5.6-sol",
    "gpt-6-luna",
    "gpt-6-sol",
    "gpt-6.1-terra",
)
ASTRA = ("gpt-6-astra", "gpt-6.1-sol", "gpt-6.2-sol", "gpt-6.2-astra")
REASONING = (*O, *FIVE, *NONE_BY_DEFAULT, *MEDIUM_BY_DEFAULT, *ASTRA)
OPEN = ("gpt-oss-120b",)
ALL = (*CLASSIC, *REASONING, *OPEN)

UNSUPPORTED = "unsupported_parameter"
VALUE = "unsupported_value"
NO_STOP = "Unsupported parameter: 'stop' is not supported with this model."
CAP = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."


def refused(answer, code, param, message=None, status=400):
    assert (answer.status, answer.error["code"], answer.error["param"]) == (status, code, param)
    assert answer.error["type"] == "invalid_request_error"
    if message is not None:
        assert answer.error["message"] == message


@pytest.fixture(scope="module")
def api():
    return everything()


@pytest.mark.parametrize("model", ALL)
def test_every_model_answers_a_plain_question(api, model):
    """Nothing optional is needed by any family."""
    answer = api.chat(model)
    assert answer.status == 200
    assert answer.json["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("model", [*CLASSIC, *OPEN])
@pytest.mark.parametrize(
    "fields",
    [
        {"max_tokens": 50},
        {"max_completion_tokens": 50},
        {"temperature": 0.2},
        {"top_p": 0.5},
        {"presence_penalty": 0.5, "frequency_penalty": -0.5},
        {"logprobs": True, "top_logprobs": 20},
        {"logit_bias": {"50256": -100}},
        {"stop": ["a", "b", "c", "d"]},
        {"n": 3},
        {"seed": 7, "user": "u", "store": True, "metadata": {"a": "b"}, "service_tier": "auto"},
        {"parallel_tool_calls": False, "tools": [tool()]},
    ],
    ids=str,
)
def test_classic_and_open_models_take_the_old_parameters(api, model, fields):
    """The 4.1 and 4o family and open weights take everything of the original API."""
    assert api.chat(model, **fields).status == 200


@pytest.mark.parametrize("model", REASONING)
def test_reasoning_models_refuse_max_tokens_with_the_sentence_frameworks_look_for(api, model):
    """`max_tokens` is a 400 that names its replacement; the replacement works."""
    refused(api.chat(model, max_tokens=500), UNSUPPORTED, "max_tokens", CAP)
    assert api.chat(model, max_completion_tokens=5000).status == 200


@pytest.mark.parametrize("model", [*O, *FIVE, *MEDIUM_BY_DEFAULT, *ASTRA])
@pytest.mark.parametrize(("name", "value"), [("temperature", 0.2), ("top_p", 0.9)])
def test_sampling_is_refused_while_the_model_reasons(api, model, name, value):
    """Any temperature or top_p but 1 is refused; 1 itself and null are fine."""
    message = (
        f"Unsupported value: '{name}' does not support {value} with this model. "
        "Only the default (1) value is supported."
    )
    code = UNSUPPORTED if model == "o3-mini" else VALUE
    answer = api.chat(model, **{name: value})
    refused(answer, code, name, None if model == "o3-mini" else message)
    assert api.chat(model, **{name: 1}).status == 200
    assert api.chat(model, **{name: None}).status == 200


@pytest.mark.parametrize("model", NONE_BY_DEFAULT)
def test_models_that_do_not_reason_by_default_take_sampling_until_told_to_reason(api, model):
    """Effort none is their default: temperature and logprobs pass without any effort, not with one."""
    assert api.chat(model, temperature=0.2, top_p=0.9, logprobs=True, top_logprobs=5).status == 200
    refused(api.chat(model, temperature=0.2, reasoning_effort="low"), VALUE, "temperature")
    refused(api.chat(model, logprobs=True, reasoning_effort="low"), UNSUPPORTED, "logprobs")


@pytest.mark.parametrize("model", MEDIUM_BY_DEFAULT)
def test_models_that_reason_by_default_take_sampling_only_with_an_explicit_none(api, model):
    """Leaving the effort out means medium."""
    fields = {"temperature": 0.2, "top_p": 0.9, "logprobs": True, "top_logprobs": 5}
    assert api.chat(model, reasoning_effort="none", **fields).status == 200
    refused(api.chat(model, logprobs=True), UNSUPPORTED, "logprobs")


@pytest.mark.parametrize("model", REASONING)
@pytest.mark.parametrize("name", ["presence_penalty", "frequency_penalty"])
def test_penalties_are_refused_unless_zero(api, model, name):
    """No reasoning family takes penalties, whatever the effort."""
    refused(api.chat(model, **{name: 0.5}), UNSUPPORTED, name)
    assert api.chat(model, **{name: 0}).status == 200


@pytest.mark.parametrize("model", [*O, *FIVE])
def test_logprobs_are_forbidden_rather_than_unsupported_on_older_reasoning_models(api, model):
    """o-series and gpt-5 answer 403 with code null."""
    message = "You are not allowed to request logprobs from this model"
    refused(api.chat(model, logprobs=True), None, None, message, status=403)


@pytest.mark.parametrize("model", ASTRA)
def test_the_astra_generation_refuses_logprobs(api, model):
    """There is no effort at which they are given."""
    refused(api.chat(model, logprobs=True), UNSUPPORTED, "logprobs")


@pytest.mark.parametrize("model", NONE_BY_DEFAULT)
def test_top_logprobs_end_at_five_on_newer_models(api, model):
    """Six alternatives are one too many."""
    refused(api.chat(model, logprobs=True, top_logprobs=6), "integer_above_max_value", "top_logprobs")


@pytest.mark.parametrize("model", REASONING)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("logit_bias", {"1": 5}),
        ("stop", "END"),
        ("stop", ["END"]),
        ("prediction", {"type": "content", "content": "x"}),
    ],
    ids=str,
)
def test_reasoning_models_refuse_bias_stop_and_prediction(api, model, name, value):
    """`stop` above all: no living successor of the classic models takes it."""
    message = f"Unsupported parameter: '{name}' is not supported with this model."
    refused(api.chat(model, **{name: value}), UNSUPPORTED, name, message)


def test_whether_newer_models_refuse_stop_and_penalties_at_effort_none_is_a_switch():
    """Nobody has shown a live transcript, so a test can have it both ways."""
    lenient = everything(doubts=frozenset())
    assert lenient.chat("gpt-5.4", stop="x", presence_penalty=1).status == 200
    refused(lenient.chat("gpt-5.4", stop="x", reasoning_effort="low"), UNSUPPORTED, "stop", NO_STOP)
    refused(lenient.chat("o3", stop="x"), UNSUPPORTED, "stop", NO_STOP)


@pytest.mark.parametrize("model", ALL)
def test_every_family_takes_several_choices(api, model):
    """`n` is accepted everywhere."""
    assert len(api.chat(model, n=2).json["choices"]) == 2


@pytest.mark.parametrize("model", CLASSIC)
def test_classic_models_do_not_know_reasoning_effort(api, model):
    """The parameter is not unsupported but unrecognized, as an unknown one would be."""
    refused(
        api.chat(model, reasoning_effort="low"),
        None,
        None,
        "Unrecognized request argument supplied: reasoning_effort",
    )


EFFORTS = {
    **dict.fromkeys(O, ("low", "medium", "high")),
    **dict.fromkeys(FIVE, ("minimal", "low", "medium", "high")),
    "gpt-5.1": ("none", "low", "medium", "high"),
    **dict.fromkeys(NONE_BY_DEFAULT[1:], ("none", "low", "medium", "high", "xhigh")),
    **dict.fromkeys(MEDIUM_BY_DEFAULT, ("none", "low", "medium", "high", "xhigh")),
    **dict.fromkeys(ASTRA, ("low", "medium", "high", "xhigh")),
    "gpt-oss-120b": ("low", "medium", "high"),
}


@pytest.mark.parametrize("model", EFFORTS)
@pytest.mark.parametrize("effort", ["none", "minimal", "low", "medium", "high", "xhigh", "max"])
def test_each_family_takes_its_own_efforts_and_names_them_when_it_refuses(api, model, effort):
    """The list differs by generation; `max` exists on /v1/responses only."""
    answer = api.chat(model, reasoning_effort=effort)
    if effort in EFFORTS[model]:
        assert answer.status == 200
    else:
        refused(answer, VALUE, "reasoning_effort")
        assert answer.error["message"].startswith(
            f"Unsupported value: 'reasoning_effort' does not support '{effort}' with this model. Supported values are: "
        )
        assert f"'{EFFORTS[model][0]}'" in answer.error["message"]


def test_an_effort_nobody_has_is_an_invalid_value(api):
    """Not a matter of the model."""
    refused(api.chat("gpt-5", reasoning_effort="heroic"), "invalid_value", "reasoning_effort")


@pytest.mark.parametrize("model", [*CLASSIC, *O])
def test_older_models_know_one_verbosity(api, model):
    """Only medium."""
    assert api.chat(model, verbosity="medium").status == 200
    refused(api.chat(model, verbosity="low"), VALUE, "verbosity")


@pytest.mark.parametrize("model", [*FIVE, *NONE_BY_DEFAULT, *MEDIUM_BY_DEFAULT, *ASTRA])
@pytest.mark.parametrize("verbosity", ["low", "medium", "high"])
def test_newer_models_take_every_verbosity(api, model, verbosity):
    """From gpt-5 on."""
    assert api.chat(model, verbosity=verbosity).status == 200


@pytest.mark.parametrize("model", O)
def test_o_models_take_tools_but_not_the_parallel_switch(api, model):
    """Even `false` is refused."""
    assert api.chat(model, tools=[tool()]).status == 200
    assert api.chat(model, tools=[tool()], reasoning_effort="high").status == 200
    refused(api.chat(model, tools=[tool()], parallel_tool_calls=False), UNSUPPORTED, "parallel_tool_calls")


def tools_refusal(model):
    return (
        f"Function tools with reasoning_effort are not supported for {model} in /v1/chat/completions. "
        "To use function tools, use /v1/responses or set reasoning_effort to 'none'."
    )


@pytest.mark.parametrize("model", ["gpt-5.4", "gpt-5.4-mini", "gpt-5.4-nano"])
def test_gpt_5_4_takes_chat_tools_only_without_effort(api, model):
    """Absent or none; anything else points to /v1/responses."""
    assert api.chat(model, tools=[tool()]).status == 200
    assert api.chat(model, tools=[tool()], reasoning_effort="none").status == 200
    refused(
        api.chat(model, tools=[tool()], reasoning_effort="low"),
        None,
        "reasoning_effort",
        tools_refusal(model),
    )


@pytest.mark.parametrize("model", MEDIUM_BY_DEFAULT)
def test_gpt_5_6_takes_chat_tools_only_with_an_explicit_none(api, model):
    """Leaving the effort out is refused as well, because the default is medium."""
    assert api.chat(model, tools=[tool()], reasoning_effort="none").status == 200
    refused(api.chat(model, tools=[tool()]), None, "reasoning_effort", tools_refusal(model))
    refused(
        api.chat(model, tools=[tool()], reasoning_effort="high"),
        None,
        "reasoning_effort",
        tools_refusal(model),
    )


@pytest.mark.parametrize("model", ASTRA)
def test_the_astra_generation_takes_no_chat_tools_at_all(api, model):
    """And it has no effort none to escape to."""
    refused(api.chat(model, tools=[tool()]), None, "reasoning_effort", tools_refusal(model))


@pytest.mark.parametrize("model", [*FIVE, "gpt-5.1", "gpt-5.2"])
def test_gpt_5_to_5_2_take_tools_with_any_effort(api, model):
    """Parallel switch included."""
    assert api.chat(model, tools=[tool()], reasoning_effort="high", parallel_tool_calls=False).status == 200


@pytest.mark.parametrize("model", ["gpt-4.1", "gpt-4o-mini", "o1", "o3-mini", "gpt-6.2-sol"])
def test_flex_is_refused_where_it_is_not_sold(api, model):
    """4.1, 4o and the older o-models have no flex tier; newer ones have."""
    answer = api.chat(model, service_tier="flex")
    if model == "gpt-6.2-sol":
        assert answer.json["service_tier"] == "flex"
    else:
        refused(answer, None, "service_tier", "Invalid service_tier argument")


@pytest.mark.parametrize("model", ["o3", "o4-mini", "gpt-5-mini", "gpt-6-luna"])
def test_flex_and_fast_say_in_which_tier_they_ran(api, model):
    """The answer's tier is what must be priced."""
    assert api.chat(model, service_tier="flex").json["service_tier"] == "flex"
    assert api.chat(model, service_tier="fast").json["service_tier"] == "priority"
    assert api.chat(model).json["service_tier"] == "default"


@pytest.mark.parametrize("model", ALL)
def test_cache_options_are_known_from_gpt_5_6_on(api, model):
    """Older families refuse them by name."""
    answer = api.chat(model, prompt_cache_options={"mode": "explicit"})
    if model in (*MEDIUM_BY_DEFAULT, *ASTRA):
        assert answer.status == 200
    else:
        refused(answer, UNSUPPORTED, "prompt_cache_options")


IMAGE = [
    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]}
]


@pytest.mark.parametrize("model", ALL)
def test_images_are_read_by_all_but_the_text_only_models(api, model):
    """o3-mini and gpt-oss read text only."""
    answer = api.chat(model, messages=IMAGE)
    if model in ("o3-mini", "gpt-oss-120b"):
        message = "Invalid content type. image_url is only supported by certain models."
        refused(answer, None, "messages.[0].content.[0].type", message)
    else:
        assert answer.json["usage"]["prompt_tokens"] > 85


def test_audio_belongs_to_audio_models(api):
    """Input parts and output modality alike."""
    spoken = [
        {
            "role": "user",
            "content": [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}],
        }
    ]
    refused(api.chat("gpt-4.1", messages=spoken), None, "messages.[0].content.[0].type")
    refused(api.chat("gpt-4.1", modalities=["text", "audio"], audio={}), "invalid_value", "modalities")
    wanted = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}
    answer = api.chat("gpt-4o-audio-preview", messages=spoken, **wanted).json
    assert answer["choices"][0]["message"]["audio"]["transcript"]
    assert answer["usage"]["prompt_tokens_details"]["audio_tokens"] > 0
    assert answer["usage"]["completion_tokens_details"]["audio_tokens"] > 0


@pytest.mark.parametrize(
    ("model", "most"),
    [("gpt-4.1", 32768), ("gpt-4o-mini", 16384), ("o4-mini", 100_000), ("gpt-5.4", 128_000)],
)
def test_a_cap_above_the_models_own_is_refused(api, model, most):
    """By exactly one token."""
    assert api.chat(model, max_completion_tokens=most).status == 200
    refused(api.chat(model, max_completion_tokens=most + 1), "invalid_value", "max_completion_tokens")


def test_a_prompt_longer_than_the_window_says_so_in_the_families_own_words(api):
    """The two sentences frameworks tell apart."""
    answer = api.chat("gpt-4o-mini", "x" * 520_000)
    refused(answer, "context_length_exceeded", "messages")
    assert answer.error["message"].startswith(
        "This model's maximum context length is 128000 tokens. However, your messages resulted in 130006 tokens."
    )
    answer = api.chat("gpt-5-mini", "x" * 1_100_000)
    refused(answer, "context_length_exceeded", "messages")
    assert answer.error["message"].startswith("Input tokens exceed the configured limit of 272000 tokens.")


def test_an_o_model_shares_its_window_between_prompt_and_cap(api):
    """200k in all, not 200k and 100k."""
    assert api.chat("o4-mini", "x" * 500_000).status == 200
    refused(
        api.chat("o4-mini", "x" * 500_000, max_completion_tokens=100_000),
        "context_length_exceeded",
        "messages",
    )
