"""What a new edition of the roster changes: decided once, for the dry run and for the import."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ess.domain.duty import NATIONAL_ROLES, Channel, Role
from ess.domain.errors import Refused
from ess.domain.roster import COLUMNS, Change, Entry, changes

OLD_FILE = frozenset(COLUMNS[13:])
LINE_ID = "U" + "0" * 32


def entry(ref: str = "PS-1", role: Role = Role.POLICE_STATION, **more: object) -> Entry:
    plain = Entry(
        *(ref, f"หน่วย {ref}", f"Unit {ref}", "police", role, "65", "6501", None, None),
        *("+66001234567", None, (Channel.LINE, Channel.SMS), True, ("6501",)),
    )
    return replace(plain, **more)  # type: ignore[arg-type]


def test_the_same_again_changes_nothing() -> None:
    plan = changes([entry()], [entry()])
    assert (plan.added, plan.changed, plan.removed, plan.unmentioned, plan.n_same) == ((), (), (), (), 1)


def test_who_is_new_is_added_and_who_is_different_is_changed_in_what_differs() -> None:
    new, busier = entry("PS-2"), entry(capacity=3, active=False)
    plan = changes([entry()], [busier, new])
    assert plan.added == (new,)
    assert plan.changed == (Change(entry(), busier),)
    assert plan.changed[0].columns == ("active", "capacity")


def test_who_can_never_be_near_enough_is_told_as_they_will_be() -> None:
    corners = ((16.7, 100.1), (16.7, 100.4), (16.9, 100.4))
    drawn = entry("V-drawn", Role.VOLUNTEER, outline=corners)
    file = [
        *(entry("V-1", Role.VOLUNTEER), entry("V-2", Role.VOLUNTEER, active=False), entry("PS-1")),
        *(entry("V-3", Role.VOLUNTEER, latitude=16.8, longitude=100.2), replace(drawn, outline=None, unsaid=OLD_FILE)),
    ]
    plan = changes([drawn], file)
    assert [who.ref for who in plan.without_base({Role.VOLUNTEER})] == ["V-1"]
    assert plan.without_base(set()) == []


def test_who_is_not_in_the_file_stays_unless_removal_is_asked_for() -> None:
    plan = changes([entry(), entry("PS-2")], [entry()])
    assert (plan.unmentioned, plan.removed) == ((entry("PS-2"),), ())
    plan = changes([entry(), entry("PS-2")], [entry()], remove_missing=True)
    assert (plan.unmentioned, plan.removed) == ((), (Change(entry("PS-2"), entry("PS-2", active=False)),))


def test_who_is_inactive_already_is_not_missed() -> None:
    plan = changes([entry("PS-2", active=False)], [], remove_missing=True)
    assert (plan.unmentioned, plan.removed) == ((), ())


@pytest.mark.parametrize("role", sorted(NATIONAL_ROLES))
def test_the_last_of_the_last_resort_cannot_be_removed(role: Role) -> None:
    last = entry("SV-1", role)
    with pytest.raises(Refused, match=f"no {role} would be left"):
        changes([last], [], remove_missing=True)
    with pytest.raises(Refused, match=f"no {role} would be left"):
        changes([last], [replace(last, active=False)])
    assert changes([last], [entry("SV-2", role)], remove_missing=True).removed, "another takes their place"
    assert changes([], [entry()]).added, "a roster that never had one may grow"


def test_a_file_without_a_column_leaves_what_is_known() -> None:
    known = entry(skills=frozenset({"children"}), capacity=2, rest=timedelta(minutes=30), jurisdictions=("65", "66"))
    assert changes([known], [entry(unsaid=OLD_FILE)]).n_same == 1
    assert changes([known], [entry()]).changed[0].columns == ("jurisdictions", "skills", "capacity", "rest")


def test_a_jurisdiction_that_is_the_seat_moves_with_it() -> None:
    moved = entry(district="6502", jurisdictions=("6502",), unsaid=OLD_FILE)
    assert changes([entry()], [moved]).changed[0].after.jurisdictions == ("6502",)
    drawn = entry(outline=((16.0, 100.0), (16.0, 101.0), (17.0, 101.0)), jurisdictions=("65",))
    assert changes([drawn], [moved]).changed[0].after.jurisdictions == ("65",)


def test_whoever_has_no_jurisdiction_yet_gets_one() -> None:
    """The release before imports without; the upgrade asks to import once more."""
    plan = changes([entry(jurisdictions=())], [entry(unsaid=OLD_FILE)])
    assert plan.changed[0].after.jurisdictions == ("6501",)


def test_a_line_account_that_was_linked_stays_where_the_file_knows_none() -> None:
    linked = entry(line_user_id=LINE_ID)
    assert changes([linked], [entry()]).n_same == 1
    assert changes([linked], [entry(line_user_id=LINE_ID[:-1] + "1")]).changed[0].columns == ("line_user_id",)


@given(
    st.lists(st.sampled_from(["A", "B", "C", "D"]), unique=True),
    st.dictionaries(st.sampled_from(["A", "B", "C", "D"]), st.none() | st.integers(1, 2)),
    st.booleans(),
)
def test_enrolling_what_was_planned_leaves_nothing_to_change(
    known: list[str], wanted: dict[str, int | None], remove_missing: bool
) -> None:
    before = {ref: entry(ref) for ref in known}
    file = [entry(ref, capacity=capacity) for ref, capacity in wanted.items()]
    plan = changes(before.values(), file, remove_missing=remove_missing)
    after = before | {new.ref: new for new in plan.added}
    after |= {change.after.ref: change.after for change in (*plan.changed, *plan.removed)}
    again = changes(after.values(), file, remove_missing=remove_missing)
    assert (again.added, again.changed, again.removed, again.n_same) == ((), (), (), len(file))
    assert {one.ref for one in after.values() if one.active} >= set(wanted)
