"""Switchyard: an OpenAI-compatible routing proxy.

Read `flow.py` first: it is the life of one request. The rooms it calls, floor by floor (imports only go down a floor):

nouns, errors                                              the records and refusals that cross rooms
settings, parse, models, routing, migration, budgets       pure: they decide, they never wait
planning, account, sizing, reshape                         pure too, from what those decided: who may answer, at what price
store, upstreams, metrics                                  the pipes: Redis, providers, numbers
flow, passthrough, measuring                               one request, one straight line; what is learned beside it
api, console, sandbox, steering                            HTTP in, the operator's page, the simulated OpenAI, migrations' helm
app, process, commands, cli                                what is built, processes and commands

`tests/test_architecture.py` has the floors one by one.
"""

__version__ = "0.1.0"
