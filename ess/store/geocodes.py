"""What online geocoders have said, so that each is asked once about an address."""

from dataclasses import dataclass

from sqlalchemy.dialects.postgresql import insert

from ess.store import tables
from ess.store.store import Transaction


@dataclass(frozen=True)
class Said:
    """A geocoder's answer: latitude and longitude, or that it knows no such place."""

    pin: tuple[float, float] | None


def known(tx: Transaction, geocoder: str, address: str) -> Said | None:
    """What this geocoder said about the address; None where it was not asked."""
    row = tx.session.get(tables.Geocode, _id(tx, geocoder, address))
    return Said((row.found[0], row.found[1]) if row.found else None) if row else None


def keep(tx: Transaction, geocoder: str, address: str, said: Said) -> None:
    """Remember the answer; the address itself is not kept."""
    found = list(said.pin) if said.pin else None
    row = {"id": _id(tx, geocoder, address), "found": found, "asked_at": tx.now}
    tx.session.execute(insert(tables.Geocode).values(row).on_conflict_do_nothing())


def _id(tx: Transaction, geocoder: str, address: str) -> bytes:
    return tx.vault.index(f"{geocoder}\n{' '.join(address.split())}")
