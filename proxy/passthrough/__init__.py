"""Calls that are passed through: audio, images, files, uploads, batches, and stored objects by their id.

line        the life of such a call, as flow is that of the hot endpoints. Read this first
surface     the table of operations, and what is left out on purpose
incoming    what must be known of a body before it goes up; `forms` follows a multipart form while it streams
batchfile   a look through the requests that a batch would send
lists       lists with the caller's own objects only
endings     refusals, and answers that broke off
passage     one call, its client, and what of the house it enters
"""
