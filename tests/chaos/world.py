"""Whom and what there is: a deployment with short waits and one worker more, and eighteen responders."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from stack import Deployment, deployed
from story import ABROAD, BOTH, CHIANG_MAI, KHON_KAEN, LINE_ONLY, PHITSANULOK, SMS_ONLY, Spot

from chaos.schedule import Schedule, draw
from config.settings import HERE
from ess.domain.duty import Channel, Role
from ess.domain.report import IncidentType
from ess.embedded.processes import Process
from ess.store import enrolment, tables

PROVINCES = (PHITSANULOK, CHIANG_MAI, KHON_KAEN)
#: Where things happen: mostly where somebody is responsible.
SPOTS: tuple[Spot, ...] = (*PROVINCES, *PROVINCES, *PROVINCES, ABROAD)

_CALLED_FIRST = (Channel.VOICE, Channel.SMS)
_OF_A_PROVINCE = (
    (Role.POLICE_STATION, LINE_ONLY),
    (Role.POLICE_STATION, BOTH),
    (Role.RADIO_191, _CALLED_FIRST),
    (Role.ONE_HOME, LINE_ONLY),
    (Role.SOCIAL_WORKER, BOTH),
)
_OF_THE_NATION = ((Role.NATIONAL_DESK, BOTH), (Role.SUPERVISOR, LINE_ONLY), (Role.SUPERVISOR, SMS_ONLY))


@dataclass(frozen=True)
class Responder:
    """Somebody in the roster, and where their phone is."""

    ref: str
    line_id: str | None
    phone: str | None


@dataclass(frozen=True)
class World:
    """The deployment, with whom it can alert."""

    deployment: Deployment
    #: Deciding workers: the first one has threads, the second has children.
    deciders: tuple[Process, Process]
    sender: Process
    responders: tuple[Responder, ...]
    #: The embedded servers' data.
    folder: Path


def write_policies(folder: Path) -> None:
    """The shipped policies with waits of seconds, and two stations asked at once, who then race for it."""
    folder.mkdir()
    for path in (HERE / "policies").glob("*.yaml"):
        policy = yaml.safe_load(path.read_text(encoding="utf-8"))
        policy |= {"place_wait": "4 s", "arrival_target": "15 s", "depart_within": "6 s", "backup_after": "3 s"}
        del policy["join"]  # all happens in few spots, and every report is to begin an incident
        for track in policy["tracks"]:
            for step in track["steps"]:
                step["wait"] = "4 s" if track.get("lead") else "5 s"
        policy["tracks"][0]["steps"][0]["alert"][0]["count"] = 2
        # A hundred that nobody takes, three people each, and as many calls that are overdue: oftener, and on a slow
        # machine nothing else would be done after some minutes.
        policy["last_resort"]["repeat"] = "30 s"
        for follow_up in policy.get("follow_ups", ()):
            follow_up |= {"due": "6 s", "remind_every": "60 s", "reminders": 1, "retry_after": "10 s"}
            follow_up["calling_hours"] = False
        (folder / path.name).write_text(yaml.safe_dump(policy, allow_unicode=True), encoding="utf-8")


def schedule_of(seed: int, seconds: float) -> Schedule:
    """The schedule of this seed for this world."""
    n_responders = len(PROVINCES) * len(_OF_A_PROVINCE) + len(_OF_THE_NATION)
    return draw(seed, seconds, n_responders=n_responders, n_spots=len(SPOTS), types=list(IncidentType))


@contextmanager
def inhabited(folder: Path) -> Iterator[World]:
    """A deployment that is ready to dispatch, with its roster; nothing of it is left afterwards."""
    # Twilio starts one call a second for an account that has not asked for more: they would be too late for a step.
    with deployed(folder, write_policies, ESS_VOICE_RATE_PER_S="100") as deployment:
        forking = deployment.stack.worker(3, 3)
        forking.argv[forking.argv.index("threads")] = "prefork"
        forking.argv[forking.argv.index("-c") + 1] = "2"
        try:
            forking.start()
            deployment.programs.append(forking)
            threaded, sender = deployment.workers
            yield World(deployment, (threaded, forking), sender, _people(deployment), folder)
        finally:
            forking.stop()


def _people(deployment: Deployment) -> tuple[Responder, ...]:
    wanted: list[tuple[Role, tuple[Channel, ...], Spot | None]] = [
        (role, channels, spot) for spot in PROVINCES for role, channels in _OF_A_PROVINCE
    ]
    wanted += [(role, channels, None) for role, channels in _OF_THE_NATION]
    people = []
    with deployment.store.transaction() as tx:
        for number, (role, channels, spot) in enumerate(wanted, start=1):
            person = Responder(
                f"{role}-{number}",
                f"U{number:032x}" if Channel.LINE in channels else None,
                f"+6610{number:07d}" if channels != LINE_ONLY else None,  # no Thai number begins with 1
            )
            people.append(person)
            row = tables.Responder(
                ref=person.ref,
                name_th=f"หน่วย {number}",
                name_en=f"Unit {number}",
                agency="test",
                role=role,
                province_code=spot.province if spot else None,
                district_code=spot.district if spot and role is Role.POLICE_STATION else None,
                phone=person.phone,
                phone_index=tx.vault.index(person.phone) if person.phone else None,
                line_user_id=person.line_id,
                line_index=tx.vault.index(person.line_id) if person.line_id else None,
                channels=list(channels),
            )
            tx.session.add(row)
            tx.session.flush()
            tx.session.add_all(enrolment.at_seat(row))
    return tuple(people)
