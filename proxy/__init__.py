"""Switchyard: an OpenAI-compatible routing proxy.

Read `flow.py` first: it is the life of one request. The rooms it calls, floor by floor (imports only go down a floor):

0  nouns, errors            the records and refusals that cross rooms
1  settings, parse, models, routing, migration, budgets     pure: they decide, they never wait
2  store, upstreams, metrics    the pipes: Redis, providers, numbers
3  flow                     one request, one straight line
4  api, console, sandbox    HTTP in, the operator's page, the simulated OpenAI
5  app, cli                 processes and commands
"""

__version__ = "0.1.0"
