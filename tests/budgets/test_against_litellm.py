"""The bill compared with litellm's own cost functions, over thousands of random usages of the models we serve.

litellm runs in a process of its own: importing it costs seconds and must not touch the network or this process.
Known differences, each the reason for a line below:
* litellm adds floats; ours is exact and rounded up: they may differ by less than one nano-dollar plus float noise.
* litellm's rates for the flex and priority tiers fall back to the plain ones where its map lists none: the rows built here
  do the same, so both sides price the same table.
* litellm bills a reasoning, audio or image rate only where the map lists one; otherwise the plain rate, as ours does.
* Where cached, written, audio and image tokens overlap, litellm subtracts what it is told overlaps; the usages here do not
  overlap, because OpenAI's details say nothing of the overlap and ours bills both.
"""

import json
import os
import subprocess
import sys

import pytest

SCRIPT = r"""
import json, random, sys
from decimal import Decimal
import litellm
from litellm.litellm_core_utils.llm_cost_calc.utils import generic_cost_per_token
from litellm.types.utils import Usage as TheirUsage, PromptTokensDetailsWrapper, CompletionTokensDetailsWrapper
from proxy.budgets.bill import bill
from proxy.nouns import PriceRow, Usage

MODELS = ["o4-mini", "o3-mini", "o3", "gpt-4.1", "gpt-4.1-mini", "gpt-4.1-nano", "gpt-4o", "gpt-4o-mini", "gpt-5",
          "gpt-5-mini", "gpt-5-nano", "gpt-5.1", "gpt-5.2", "gpt-5.4", "gpt-5.4-mini", "gpt-5.5", "text-embedding-3-small",
          "gpt-4o-audio-preview"]

def rate(info, name, *fallbacks):
    for key in (name, *fallbacks):
        if info.get(key) is not None:
            return int(Decimal(repr(info[key])) * 10**15)
    return 0

def row(info, tier, long=""):
    def of(base, *others):
        names = []
        for name in (base, *others):
            for suffix in ((f"_{tier}{long}", f"{long}_{tier}", long, f"_{tier}", "") if tier and long else
                           (f"_{tier}", "") if tier else (long, "") if long else ("",)):
                names.append(name + suffix)
        return rate(info, *names)
    plain_in, plain_out = "input_cost_per_token", "output_cost_per_token"
    write = of("cache_creation_input_token_cost")
    extra = of("cache_creation_input_token_cost_above_1hr") or write
    return PriceRow(input=of(plain_in), output=of(plain_out), cached_input=of("cache_read_input_token_cost"),
        cache_write=write, cache_write_extended=extra, audio_input=of("input_cost_per_audio_token", plain_in),
        audio_output=of("output_cost_per_audio_token", plain_out), image_input=of("input_cost_per_image_token", plain_in),
        image_output=of(plain_out))

def price(info):
    def whole(tier):
        import dataclasses
        base = row(info, tier)
        for key in info:
            if key.startswith("input_cost_per_token_above_") and key.endswith("_tokens"):
                text = key.removeprefix("input_cost_per_token_above_").removesuffix("_tokens")
                threshold = int(text.rstrip("k")) * (1000 if text.endswith("k") else 1)
                return dataclasses.replace(base, long_threshold_tokens=threshold, long=row(info, tier, f"_above_{text}_tokens"))
        return base
    import dataclasses
    return dataclasses.replace(whole(""), tiers={"flex": whole("flex"), "priority": whole("priority")})

random.seed(int(sys.argv[1]))
worst, compared, skipped, differences = Decimal(0), 0, [], []
for model in MODELS:
    info = litellm.model_cost.get(model)
    if info is None:
        skipped.append(model)
        continue
    ours = price(info)
    for _ in range(int(sys.argv[2])):
        caches = info.get("cache_read_input_token_cost") is not None
        writes = info.get("cache_creation_input_token_cost") is not None
        parts = {"cached": random.randrange(50_000) if caches else 0, "written": random.randrange(9_000) if writes else 0,
                 "audio": random.choice([0, random.randrange(3_000)]), "text": random.choice([1, 300, 5_000, 290_000])}
        prompt = sum(parts.values())
        speech, thoughts, words = random.choice([0, 700]), random.choice([0, 900]), random.randrange(20_000)
        answer = speech + thoughts + words
        tier = random.choice(["", "default", "flex", "priority"])
        usage = Usage(input_tokens=prompt, output_tokens=answer, cached_tokens=parts["cached"],
            cache_write_tokens=parts["written"], audio_input_tokens=parts["audio"], audio_output_tokens=speech,
            reasoning_tokens=thoughts)
        theirs = TheirUsage(prompt_tokens=prompt, completion_tokens=answer, total_tokens=prompt + answer,
            prompt_tokens_details=PromptTokensDetailsWrapper(cached_tokens=parts["cached"], audio_tokens=parts["audio"],
                cache_write_tokens=parts["written"], text_tokens=parts["text"]),
            completion_tokens_details=CompletionTokensDetailsWrapper(reasoning_tokens=thoughts, audio_tokens=speech,
                text_tokens=words))
        their_tier = tier if tier in ("flex", "priority") else None
        cost_in, cost_out = generic_cost_per_token(model=model, usage=theirs, custom_llm_provider="openai", service_tier=their_tier)
        truth = (Decimal(cost_in) + Decimal(cost_out)) * 10**9
        off = Decimal(bill(usage, ours, tier)) - truth
        compared += 1
        worst = max(worst, abs(off))
        if not -Decimal("0.01") <= off < Decimal("1.01"):
            differences.append([model, tier, parts, answer, speech, thoughts, str(off), str(truth)])
print(json.dumps({"compared": compared, "skipped": skipped, "worst": str(worst), "differences": differences[:5], "n": len(differences)}))
"""


@pytest.mark.parametrize("seed", [20261121])
def test_bills_agree_with_litellms_cost_functions(seed):
    """Over random usages of every tier, length and kind of token, no bill differs by more than the rounding up."""
    env = dict(os.environ, LITELLM_LOCAL_MODEL_COST_MAP="True", PYTHONPATH=os.getcwd())
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(seed), "300"],
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    result = json.loads(run.stdout.strip().splitlines()[-1])
    assert result["n"] == 0, result
    assert result["compared"] >= 3000
