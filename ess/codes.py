"""Codes that people say on the telephone and type: an incident's, and the one that links a LINE account."""

import secrets

#: No vowels and nothing that is read as something else, so a code is never a word and survives a phone call.
LETTERS = "23456789BCDFGHJKMNPQRTVWXZ"


def new_code(length: int) -> str:
    """That many letters by chance; nobody can tell the next from the ones before."""
    return "".join(secrets.choice(LETTERS) for _ in range(length))
