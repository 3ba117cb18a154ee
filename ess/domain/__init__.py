"""The rules, pure: no I/O, no clock, no chance, no framework.

Read in the order of an incident's life: `report`, `place`, `policy`, `duty`, `selection`,
`incident` (the heart), `follow_up`. `errors` is the tree of what can go wrong.
"""
