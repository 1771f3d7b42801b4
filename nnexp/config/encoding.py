"""From a file's bytes to text that YAML may see: size, UTF-8 and forbidden characters."""

from __future__ import annotations

import re

from nnexp.config.problem import Place, refusal

MAX_BYTES = 64 * 1024
FORBIDDEN = re.compile(
    "[^\t\n\r -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
"""Control characters, surrogates, and the line breaks that only YAML 1.1 knew."""


def decoded(content: bytes | str, source: Place) -> str:
    """Return content as text without a byte order mark.

    Raises: ConfigError when it is too long, not UTF-8 or has a forbidden character.
    """
    data = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    if len(data) > MAX_BYTES:
        raise refusal(source, f"a config has at most {MAX_BYTES} bytes")
    try:
        text = data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        place = _after(data[: error.start].decode("utf-8"), source)
        raise refusal(place, f"not UTF-8 text (byte 0x{data[error.start]:02x})") from None
    if bad := FORBIDDEN.search(text):
        raise refusal(_after(text[: bad.start()], source), forbidden(bad.group()))
    return text


def forbidden(character: str) -> str:
    """Return what is said of a character that no config may hold."""
    return f"the character U+{ord(character):04X} is not allowed"


def _after(text: str, source: Place) -> Place:
    lines = re.split(r"\r\n|\r|\n", text)
    return source.at(len(lines), len(lines[-1]) + 1)
