"""The rows, and nothing but the rows: PostgreSQL through SQLModel.

`store` opens transactions, `tables` are the rows, `incidents` maps them to the domain, `deadlines` is the
clock's queue, `candidates` is whom a choice looks at, `responders`, `inbound`, `outline_sets`, `geocodes`,
`travel_times` and `keys` are look-ups, `crypto` keeps personal data unreadable, `migrations` (alembic) make the schema.
"""

from ess.store.crypto import Vault, new_key
from ess.store.store import Store, Transaction

__all__ = ["Store", "Transaction", "Vault", "new_key"]
