"""What a browser sent, read once and within bounds. Everything in it is untrusted."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Final

from python_multipart.exceptions import FormParserError
from starlette.datastructures import Headers, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser

# A grant or an order is at most 64 KiB of text (agent.contract.enrolment); a camera's snapshot is never sent here.
MAX_BODY_BYTES: Final = 512 * 1024
_MAX_FIELDS: Final = 300
_MAX_FILES: Final = 4


@dataclass(frozen=True, slots=True)
class Form:
    """Fields and files of one POST. A missing one is empty, so that a forged form is merely a wrong one."""

    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """The first value of a field, without the spaces around it."""
        return next(iter(self.fields.get(name, ())), "").strip()

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a field that may come several times (check boxes)."""
        return self.fields.get(name, ())

    def file(self, name: str) -> bytes:
        """The bytes of a chosen file; empty when none was chosen."""
        return self.files.get(name, b"")


async def read_form(headers: Headers, body: bytes) -> Form | None:
    """The form in `body`; an empty one for other kinds of content, None when it cannot be read."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("application/x-www-form-urlencoded", "multipart/form-data"):
        return Form()

    async def once() -> AsyncGenerator[bytes, None]:
        yield body
        yield b""

    try:
        if kind == "multipart/form-data":
            parser = MultiPartParser(
                headers, once(), max_files=_MAX_FILES, max_fields=_MAX_FIELDS, max_part_size=MAX_BODY_BYTES
            )
            data = await parser.parse()
        else:
            data = await FormParser(headers, once()).parse()
    except (MultiPartException, HTTPException, FormParserError, ValueError, LookupError):
        # ValueError, LookupError: a charset or an encoding that is none.
        return None
    fields: dict[str, tuple[str, ...]] = {}
    files: dict[str, bytes] = {}
    for name, value in data.multi_items():
        if isinstance(value, UploadFile):
            files[name] = await value.read()
            await value.close()
        else:
            fields[name] = (*fields.get(name, ()), value)
    return Form(fields, files) if len(fields) <= _MAX_FIELDS else None
