"""Providers: how a request reaches a model and how its answer comes back.

Pure (floor 1): `meter` reads an answer while it passes, `alike` tells what of it need not be read, `retry` is the retry table,
`breaker` the state of a deployment.
Pipes (floor 2): `http` is the pooled HTTP/1.1 client, `providers` builds what a provider is sent.
"""
