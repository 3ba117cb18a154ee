"""Chaos: the real programs are killed, starved and lied to, and afterwards every promise must have been kept.

Read `schedule` (what a seed decides beforehand), `world` (whom and what there is), `breaker`, `people` and
`phones` (who does it), `driver` (one run), `evidence` (what is left of it), `judge` (what must hold) and
`figures` (how well it went).  `python -m chaos --seconds 600 --seed 7` in this folder's parent runs it.
"""
