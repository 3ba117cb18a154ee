"""The schema's history, run by `ess db upgrade`."""
