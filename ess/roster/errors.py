"""Why a file is not taken."""

from ess.domain.errors import Refused


class RosterRefused(Refused):
    """The file has errors, and nothing of it was taken; the text lists each with its row and column."""
