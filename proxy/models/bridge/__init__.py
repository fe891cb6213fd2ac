"""A chat call carried over /v1/responses and back, so that an app written for chat keeps reasoning *and* tools.

    request   chat fields -> the Responses body; CARRIED names what has a counterpart
    answer    a whole response -> a chat completion
    stream    Responses events -> chat chunks, one machine per stream
    refusal   an error about Responses fields -> the same error about chat fields
    memory    sealed reasoning kept between the steps of a tool loop, by tool-call id

Rules: roles keep their rank, order and ids; nothing is stored at the provider (`store: false`); reasoning comes sealed
and is given back in the next step of the loop; whatever has no counterpart was listed by translation before.
"""
