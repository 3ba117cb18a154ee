"""All state of a simulation in one place, so that one call forgets it."""

from ess.simulator.edge import Edge
from ess.simulator.faults import Faults
from ess.simulator.ledger import Clock, Ledger, utc_now
from ess.simulator.line_account import LineAccount
from ess.simulator.settings import SimulatorSettings
from ess.simulator.twilio_account import TwilioAccount

#: The LINE user whose phone is on the page from the start.
CITIZEN = "U" + "c" * 32
CITIZEN_NAME = "ผู้แจ้งเหตุ (ตัวอย่าง)"


class World:
    """Two providers, the road to the edge, and the people with their phones."""

    def __init__(self, settings: SimulatorSettings, clock: Clock = utc_now) -> None:
        self.settings = settings
        self.clock = clock
        self.edge = Edge(settings)
        self.ledger = Ledger(clock)
        self.faults = Faults()
        self.line = LineAccount()
        self.twilio = TwilioAccount(settings.twilio_account_sid)
        #: Display names by LINE user id or number.
        self.names = {CITIZEN: CITIZEN_NAME}
        #: Changes with each reset, so that a page knows to start afresh.
        self.epoch = 1

    def reset(self) -> None:
        """Nothing has happened yet, and nothing is broken."""
        self.epoch += 1
        self.ledger.reset()
        self.faults.clear()
        self.line = LineAccount()
        self.twilio.forget()
        self.names = {CITIZEN: CITIZEN_NAME}
