"""Personal data at rest: AES-256-GCM under a named key, and a keyed hash to look it up by.

A stored value is `key id (4 bytes) · nonce (12) · ciphertext and tag`; the key id is the start of the
key's SHA-256.  Several keys may be configured: the first encrypts, all decrypt, and the *last* one (the
oldest) makes the look-up hashes, so a new key can be put in front without touching a row.
"""

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from typing import Any, ClassVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import LargeBinary
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from ess.domain.errors import Misconfigured

_KEY_BYTES = 32


def new_key() -> str:
    """A fresh key, as `ESS_ENCRYPTION_KEY` wants it: 32 random bytes in base64."""
    return base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()


class Vault:
    """Encrypts and decrypts with the configured keys."""

    def __init__(self, keys: str) -> None:
        try:
            raw = [base64.b64decode(key.strip(), validate=True) for key in keys.split(",")]
        except (binascii.Error, ValueError) as error:
            raise Misconfigured("ESS_ENCRYPTION_KEY is not base64: make one with `ess secret`") from error
        if any(len(key) != _KEY_BYTES for key in raw):
            raise Misconfigured("ESS_ENCRYPTION_KEY must be 32 bytes in base64: make one with `ess secret`")
        self._ciphers = {hashlib.sha256(key).digest()[:4]: AESGCM(key) for key in raw}
        self._current = hashlib.sha256(raw[0]).digest()[:4]
        self._index_key = hmac.digest(raw[-1], b"ess blind index", "sha256")

    def seal(self, plain: bytes) -> bytes:
        """The ciphertext; the same input gives another output each time."""
        nonce = secrets.token_bytes(12)
        return self._current + nonce + self._ciphers[self._current].encrypt(nonce, plain, None)

    def unseal(self, sealed: bytes) -> bytes:
        """The plain bytes; Misconfigured where the key is no longer configured or the row was altered."""
        cipher = self._ciphers.get(sealed[:4])
        if cipher is None:
            raise Misconfigured("a row was encrypted with a key that ESS_ENCRYPTION_KEY does not hold: add it back")
        try:
            return cipher.decrypt(sealed[4:16], sealed[16:], None)
        except InvalidTag as error:
            raise Misconfigured("an encrypted row does not match its key: it was altered or damaged") from error

    def index(self, value: str) -> bytes:
        """A keyed hash (16 bytes) by which an encrypted value can be looked up."""
        return hmac.digest(self._index_key, value.encode(), "sha256")[:16]


class EncryptedJson(TypeDecorator[Any]):
    """A column of JSON (or text) that only a program with the key can read."""

    impl = LargeBinary
    cache_ok = True
    #: Set once by `Store`: a column type is made at import, long before settings are known.
    vault: ClassVar[Vault | None] = None

    def process_bind_param(self, value: Any, dialect: Dialect) -> bytes | None:  # noqa: ARG002
        """Encrypt on the way in."""
        return None if value is None else self._opened().seal(json.dumps(value, ensure_ascii=False).encode())

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> Any:  # noqa: ARG002
        """Decrypt on the way out."""
        return None if value is None else json.loads(self._opened().unseal(bytes(value)))

    @classmethod
    def _opened(cls) -> Vault:
        if cls.vault is None:
            raise Misconfigured("the store is not open: make a Store before reading rows")
        return cls.vault
