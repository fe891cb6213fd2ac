"""Speech, transcription and images: real enough to relay, binary and multipart where the API is."""

import base64
import io
import struct
import wave
import zlib
from collections.abc import Iterator
from typing import Any

import msgspec

from proxy.sandbox import fields as f
from proxy.sandbox.answers import SSE, Answer, Frame, json_answer
from proxy.sandbox.billing import Bill
from proxy.sandbox.catalogue import Model
from proxy.sandbox.desk import Desk, Request
from proxy.sandbox.multipart import Form, read_form
from proxy.sandbox.refusals import bad, invalid_value, missing
from proxy.sandbox.tokens import count, digest, pieces

VOICES = (
    "alloy",
    "ash",
    "ballad",
    "cedar",
    "coral",
    "echo",
    "fable",
    "marin",
    "nova",
    "onyx",
    "sage",
    "shimmer",
    "verse",
)
SPEECH_TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/opus",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
SPEECH: dict[str, f.Check] = {
    "input": f.short_string(4096),
    "model": f.string,
    "voice": f.anything,
    "instructions": f.string,
    "response_format": f.one_of(*SPEECH_TYPES),
    "speed": f.decimal(0.25, 4),
    "stream_format": f.one_of("audio", "sse"),
}
IMAGES: dict[str, f.Check] = {
    "prompt": f.short_string(32_000),
    "model": f.string,
    "background": f.one_of("transparent", "opaque", "auto"),
    "moderation": f.one_of("low", "auto"),
    "n": f.integer(1, 10),
    "output_compression": f.integer(0, 100),
    "output_format": f.one_of("png", "jpeg", "webp"),
    "partial_images": f.integer(0, 3),
    "quality": f.one_of("auto", "high", "medium", "low"),
    "size": f.one_of("auto", "1024x1024", "1536x1024", "1024x1536"),
    "stream": f.boolean,
    "user": f.string,
}
TRANSCRIPTS = ("json", "text", "srt", "verbose_json", "vtt", "diarized_json")
AUDIO_BYTES_PER_TOKEN = 2400
CHUNK_BYTES = 2048
IMAGE_TOKENS = 1056


def create_speech(desk: Desk, request: Request) -> Answer:
    """A WAV of silence as long as the text, in chunks (or as events for stream_format sse)."""
    body = request.json_object()
    f.check_arguments(body, SPEECH)
    model = desk.model(request, body.get("model"))
    f.check_fields(body, SPEECH)
    for name in ("input", "voice"):
        if body.get(name) is None:
            raise missing(name)
    if isinstance(body["voice"], str) and body["voice"] not in VOICES:
        raise invalid_value("voice", body["voice"], VOICES)
    tokens = len(pieces(body["input"]))
    sound = _wave(tokens)
    bill = Bill(prompt=count(body["input"]), output=tokens)
    if body.get("stream_format") == "sse":
        return Answer(frames=_spoken_events(sound, bill), content_type=SSE, model=model, bill=bill)
    kind = SPEECH_TYPES[body.get("response_format") or "mp3"]
    return Answer(frames=_chunks(sound, tokens), content_type=kind, model=model, bill=bill)


def _wave(tokens: int) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(24_000)
        sound.writeframes(bytes(AUDIO_BYTES_PER_TOKEN) * tokens)
    return out.getvalue()


def _chunks(sound: bytes, tokens: int) -> Iterator[Frame]:
    for start in range(0, len(sound), CHUNK_BYTES):
        done = min(tokens, (start + CHUNK_BYTES) // AUDIO_BYTES_PER_TOKEN)
        yield Frame(sound[start : start + CHUNK_BYTES], done)


def _spoken_events(sound: bytes, bill: Bill) -> Iterator[Frame]:
    for frame in _chunks(sound, bill.output):
        yield _event(
            {"type": "speech.audio.delta", "audio": base64.b64encode(frame.data).decode()}, frame.output
        )
    usage = {
        "input_tokens": bill.prompt,
        "output_tokens": bill.output,
        "total_tokens": bill.prompt + bill.output,
    }
    yield _event({"type": "speech.audio.done", "usage": usage}, bill.output)


def _event(event: dict[str, Any], output: int) -> Frame:
    return Frame(b"data: " + msgspec.json.encode(event) + b"\n\n", output)


def transcribe(desk: Desk, request: Request) -> Answer:
    """Multipart in; JSON, plain text or events out. The transcript depends on the bytes of the file."""
    form = read_form(request)
    model = desk.model(request, form.field("model"))
    if "file" not in form.files:
        raise missing("file")
    wanted = form.field("response_format") or "json"
    if wanted not in TRANSCRIPTS:
        raise invalid_value("response_format", wanted, TRANSCRIPTS)
    if model.name != "whisper-1" and wanted not in ("json", "text"):
        raise bad(
            f"response_format '{wanted}' is not compatible with model '{model.name}'.", "response_format"
        )
    sound = form.files["file"].content
    if not sound:
        raise bad("Audio file might be corrupted or unsupported", "file", "invalid_value")
    text = f"Transcript {digest(sound):08x} of {form.files['file'].filename}."
    bill = Bill(prompt=1 + len(sound) // AUDIO_BYTES_PER_TOKEN, output=len(pieces(text)))
    if form.field("stream") == "true" and model.name != "whisper-1":
        return Answer(frames=_transcript_events(text, bill), content_type=SSE, model=model, bill=bill)
    return _transcript(form, wanted, text, model, bill)


def _transcript(form: Form, wanted: str, text: str, model: Model, bill: Bill) -> Answer:
    seconds = max(1, bill.prompt // 20)
    if wanted in ("text", "srt", "vtt"):
        body = text if wanted == "text" else f"1\n00:00:00,000 --> 00:00:{seconds % 60:02},000\n{text}\n"
        return Answer(
            body=(body + "\n").encode(), content_type="text/plain; charset=utf-8", model=model, bill=bill
        )
    usage: dict[str, Any] = {"type": "duration", "seconds": seconds}
    if model.name != "whisper-1":
        usage = _audio_usage(bill)
    out: dict[str, Any] = {"text": text, "usage": usage}
    if wanted == "verbose_json":
        out |= {
            "task": "transcribe",
            "language": form.field("language") or "english",
            "duration": float(seconds),
        }
        out["segments"] = []
    return json_answer(out, model=model, bill=bill)


def _audio_usage(bill: Bill) -> dict[str, Any]:
    return {
        "type": "tokens",
        "input_tokens": bill.prompt,
        "input_token_details": {"text_tokens": 0, "audio_tokens": bill.prompt},
        "output_tokens": bill.output,
        "total_tokens": bill.prompt + bill.output,
    }


def _transcript_events(text: str, bill: Bill) -> Iterator[Frame]:
    for number, piece in enumerate(pieces(text)):
        yield _event({"type": "transcript.text.delta", "delta": piece}, number + 1)
    yield _event({"type": "transcript.text.done", "text": text, "usage": _audio_usage(bill)}, bill.output)


def create_image(desk: Desk, request: Request) -> Answer:
    """One-pixel PNGs, one per image asked for, priced like real ones."""
    body = request.json_object()
    f.check_arguments(body, IMAGES)
    model = desk.model(request, body.get("model") or "gpt-image-1")
    f.check_fields(body, IMAGES)
    if body.get("prompt") is None:
        raise missing("prompt")
    images = body.get("n") or 1
    bill = Bill(prompt=count(body["prompt"]), output=IMAGE_TOKENS * images)
    data = [
        {"b64_json": base64.b64encode(_png(digest(body["prompt"], str(index)))).decode()}
        for index in range(images)
    ]
    usage = {
        "input_tokens": bill.prompt,
        "input_tokens_details": {"text_tokens": bill.prompt, "image_tokens": 0},
        "output_tokens": bill.output,
        "total_tokens": bill.prompt + bill.output,
    }
    about = {"background": "opaque", "output_format": "png", "quality": "medium", "size": "1024x1024"}
    out = {"created": int(desk.clock()), **about, "data": data, "usage": usage}
    return json_answer(out, model=model, bill=bill)


def _png(seed: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pixel = b"\x00" + seed.to_bytes(8, "big")[:3]
    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(pixel))
        + chunk(b"IEND", b"")
    )
