"""The proxy anybody writes first: FastAPI, a pydantic body, one httpx client, lines of a stream passed on.

UPSTREAM=http://127.0.0.1:9001/v1 uvicorn tests.bench.naive:app
"""

import os
from collections.abc import AsyncIterator
from typing import Any

import httpx
from fastapi import FastAPI
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict


class ChatRequest(BaseModel):
    model_config = ConfigDict(extra="allow")

    model: str
    messages: list[dict[str, Any]]
    stream: bool = False


app = FastAPI()
client = httpx.AsyncClient(
    base_url=os.environ.get("UPSTREAM", ""), timeout=60, limits=httpx.Limits(max_connections=4096)
)


@app.post("/v1/chat/completions", response_model=None)
async def chat(request: ChatRequest) -> JSONResponse | StreamingResponse:
    body = request.model_dump()
    if request.stream:
        return StreamingResponse(lines(body), media_type="text/event-stream")
    answer = await client.post("/chat/completions", json=body)
    return JSONResponse(answer.json(), answer.status_code)


async def lines(body: dict[str, Any]) -> AsyncIterator[str]:
    async with client.stream("POST", "/chat/completions", json=body) as answer:
        async for line in answer.aiter_lines():
            if line:
                yield f"{line}\n\n"
