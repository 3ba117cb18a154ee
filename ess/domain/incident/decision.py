"""What comes of a command: the facts for the timeline, and the effects that the shell carries out.

An effect names whom it is for by id, and what is said by its key in `config/messages`; who that is and how they are
reached is the shell's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from ess.domain.incident.state import Incident


@dataclass(frozen=True)
class Fact:
    """What happened, in the past tense, for the timeline; no personal data."""

    name: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class AskResponder:
    """Send the alert over the responder's first channel; `again` where they were asked before.

    It only `reminds` where they have not answered that yet.
    """

    alert_id: UUID
    again: bool = False
    reminds: bool = False


@dataclass(frozen=True)
class TellResponder:
    """Send the responder of an alert one message of `config/messages`."""

    alert_id: UUID
    message: str
    #: The alert whose responder has it now.
    holder: UUID | None = None
    #: The code of the incident that goes on instead.
    into: str = ""


@dataclass(frozen=True)
class PassOn:
    """Let the responder of an alert read what reporters wrote, where nobody else reads it."""

    alert_id: UUID
    #: None: all that was written so far, and the address.
    words: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class TellReporter:
    """Keep a public promise to the reporter, as far as their contact preference allows."""

    message: str
    arrival_at: datetime | None = None
    #: Only whoever made this report; None: every reporter.
    report_id: UUID | None = None
    #: The alert whose responder it names; None: whoever has the lead track.
    holder: UUID | None = None


@dataclass(frozen=True)
class TellSupervisors:
    """Tell whoever supervises that something needs a person."""

    message: str
    follow_up_id: UUID | None = None


@dataclass(frozen=True)
class AskFollowUp:
    """Send the social worker the call to make; `reminder` where they were asked before."""

    follow_up_id: UUID
    reminder: bool = False


@dataclass(frozen=True)
class Inform:
    """Tell whoever the policy informs, now that somebody has been alerted; nothing waits for it."""

    #: The code of the province in which it happens.
    province: str


Effect = AskResponder | TellResponder | PassOn | TellReporter | TellSupervisors | AskFollowUp | Inform


@dataclass(frozen=True)
class Decision:
    """The new incident, what to write in its timeline, and what to do about it."""

    incident: Incident
    facts: tuple[Fact, ...] = ()
    effects: tuple[Effect, ...] = ()

    def then(self, later: "Decision") -> "Decision":
        """Both, where `later` was decided about the incident that this one left."""
        return Decision(later.incident, self.facts + later.facts, self.effects + later.effects)
