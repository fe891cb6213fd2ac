"""From a parsed request to the models that may serve it, in order. Pure.

plan         whose word decides: the caller's, an alias, a route, a pinned name
lanes        a routed request: its task, its list, its conversation
choice       which of a list serve, by money and latency
candidates/  from a model to the ways of serving it: lifecycle, migrations, translation, deployments
roadworks    the migrations of a configuration, and which of them cannot be
expected     what a call would cost on another model
foreign      models that litellm providers serve
explanation  a plan in words; minute: what is remembered for one
"""
