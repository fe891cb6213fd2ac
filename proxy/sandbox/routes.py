"""Which handler answers which method and path. Handlers decide; they take the desk and the request and never await."""

import re
from collections.abc import Callable

from proxy.sandbox.answers import Answer
from proxy.sandbox.batches import cancel_batch, create_batch, get_batch, list_batches
from proxy.sandbox.chat import chat_completions
from proxy.sandbox.completions import create_completion
from proxy.sandbox.desk import Desk, Request
from proxy.sandbox.embeddings import create_embeddings
from proxy.sandbox.files import delete_file, get_content, get_file, list_files, upload_file
from proxy.sandbox.media import create_image, create_speech, transcribe
from proxy.sandbox.models import get_model, list_models
from proxy.sandbox.moderations import create_moderation
from proxy.sandbox.responses import (
    cancel_response,
    count_input_tokens,
    create_response,
    delete_response,
    get_response,
    list_input_items,
)
from proxy.sandbox.stored_chat import delete_completion, get_completion, list_completions, update_completion

Handler = Callable[[Desk, Request], Answer]

_TABLE: tuple[tuple[str, str, Handler], ...] = (
    ("POST", "/v1/chat/completions", chat_completions),
    ("POST", "/v1/responses", create_response),
    ("POST", "/v1/responses/input_tokens", count_input_tokens),
    ("GET", "/v1/responses/{response}", get_response),
    ("DELETE", "/v1/responses/{response}", delete_response),
    ("GET", "/v1/responses/{response}/input_items", list_input_items),
    ("POST", "/v1/responses/{response}/cancel", cancel_response),
    ("POST", "/v1/embeddings", create_embeddings),
    ("POST", "/v1/completions", create_completion),
    ("POST", "/v1/moderations", create_moderation),
    ("GET", "/v1/chat/completions", list_completions),
    ("GET", "/v1/chat/completions/{completion}", get_completion),
    ("POST", "/v1/chat/completions/{completion}", update_completion),
    ("DELETE", "/v1/chat/completions/{completion}", delete_completion),
    ("POST", "/v1/files", upload_file),
    ("GET", "/v1/files", list_files),
    ("GET", "/v1/files/{file}", get_file),
    ("GET", "/v1/files/{file}/content", get_content),
    ("DELETE", "/v1/files/{file}", delete_file),
    ("POST", "/v1/batches", create_batch),
    ("GET", "/v1/batches", list_batches),
    ("GET", "/v1/batches/{batch}", get_batch),
    ("POST", "/v1/batches/{batch}/cancel", cancel_batch),
    ("POST", "/v1/audio/speech", create_speech),
    ("POST", "/v1/audio/transcriptions", transcribe),
    ("POST", "/v1/audio/translations", transcribe),
    ("POST", "/v1/images/generations", create_image),
    ("GET", "/v1/models", list_models),
    ("GET", "/v1/models/{model}", get_model),
)
_EXACT: dict[tuple[str, str], Handler] = {
    (method, path): handler for method, path, handler in _TABLE if "{" not in path
}
_PATTERNS = tuple(
    (method, re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)), handler)
    for method, path, handler in _TABLE
    if "{" in path
)


def other_methods(path: str) -> list[str]:
    """The methods a known path takes; empty for a path the API does not have."""
    exact = [method for method, known in _EXACT if known == path]
    return exact + [method for method, pattern, _ in _PATTERNS if pattern.fullmatch(path)]


def route(method: str, path: str) -> tuple[Handler, dict[str, str]] | None:
    """The handler and its path parameters; None for a URL the API does not have."""
    handler = _EXACT.get((method, path))
    if handler is not None:
        return handler, {}
    for wanted, pattern, found in _PATTERNS:
        if wanted == method and (match := pattern.fullmatch(path)):
            return found, match.groupdict()
    return None
