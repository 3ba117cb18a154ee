"""The clock: it wakes whatever is due and not done, and audits that nothing is forgotten."""
