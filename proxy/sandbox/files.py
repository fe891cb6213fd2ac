"""/v1/files: upload, list, describe, download, delete."""

from proxy.sandbox.answers import Answer, json_answer
from proxy.sandbox.desk import Desk, Request
from proxy.sandbox.multipart import read_form
from proxy.sandbox.refusals import Refusal, invalid_value, missing
from proxy.sandbox.tokens import digest
from proxy.sandbox.vault import StoredFile

PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")


def upload_file(desk: Desk, request: Request) -> Answer:
    """Raises `Refusal` without a file or with a purpose that does not exist."""
    form = read_form(request)
    purpose = form.field("purpose")
    if purpose is None:
        raise missing("purpose")
    if purpose not in PURPOSES:
        raise invalid_value("purpose", purpose, PURPOSES)
    if "file" not in form.files:
        raise missing("file")
    upload = form.files["file"]
    return json_answer(keep_file(desk, upload.filename, upload.content, purpose).about)


def keep_file(desk: Desk, filename: str, content: bytes, purpose: str) -> StoredFile:
    held = StoredFile(
        {
            "id": f"file-{digest(content):016x}{desk.vault.ordinal():06x}",
            "object": "file",
            "bytes": len(content),
            "created_at": int(desk.clock()),
            "expires_at": None,
            "filename": filename,
            "purpose": purpose,
            "status": "processed",
            "status_details": None,
        },
        content,
    )
    desk.vault.files.put(held.about["id"], held)
    return held


def held_file(desk: Desk, name: str) -> StoredFile:
    held = desk.vault.files.get(name)
    if held is None:
        raise Refusal(404, f"No such File object: {name}", param="id")
    return held


def list_files(desk: Desk, request: Request) -> Answer:
    """Newest first, narrowed by `purpose`, `limit` at a time after `after`."""
    purpose, after = request.argument("purpose"), request.argument("after")
    data = [held.about for held in desk.vault.files.newest_first() if purpose in ("", held.about["purpose"])]
    ids = [about["id"] for about in data]
    if after in ids:
        data = data[ids.index(after) + 1 :]
    limit = request.number("limit", 10000)
    page = data[:limit]
    ends = {"first_id": page[0]["id"] if page else None, "last_id": page[-1]["id"] if page else None}
    return json_answer({"object": "list", "data": page, **ends, "has_more": len(data) > limit})


def get_file(desk: Desk, request: Request) -> Answer:
    return json_answer(held_file(desk, request.params["file"]).about)


def get_content(desk: Desk, request: Request) -> Answer:
    held = held_file(desk, request.params["file"])
    disposition = f'attachment; filename="{held.about["filename"]}"'
    return Answer(
        body=held.content,
        content_type="application/octet-stream",
        headers={"content-disposition": disposition},
    )


def delete_file(desk: Desk, request: Request) -> Answer:
    held = held_file(desk, request.params["file"])
    desk.vault.files.pop(held.about["id"])
    return json_answer({"id": held.about["id"], "object": "file", "deleted": True})
