"""Secrets of a machine that only tries the engine: made once, kept in the data folder for its owner alone."""

import json
import secrets
from pathlib import Path

from ess.store import new_key


def embedded_secrets(data_dir: Path) -> dict[str, str]:
    """The variables that production must set, made up for this data folder; the same on every start."""
    path = data_dir / "secrets.json"
    if not path.exists():
        made = {
            "ESS_ENCRYPTION_KEY": new_key(),
            "ESS_LINE_CHANNEL_SECRET": secrets.token_hex(16),
            "ESS_LINE_CHANNEL_ACCESS_TOKEN": secrets.token_urlsafe(48),
            "ESS_TWILIO_ACCOUNT_SID": f"AC{secrets.token_hex(16)}",
            "ESS_TWILIO_AUTH_TOKEN": secrets.token_hex(16),
            # One of Twilio's own test numbers: it can reach nobody.
            "ESS_TWILIO_FROM": "+15005550006",
        }
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_suffix(".new")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(made, indent=2))
        draft.replace(path)
    found: dict[str, str] = json.loads(path.read_text())
    return found
