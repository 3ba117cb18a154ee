"""How hard the properties are tried: the same examples on every run, or with ESS_PROPERTIES=deep new and many."""

import os

from hypothesis import HealthCheck, settings

settings.register_profile("quick", derandomize=True, deadline=None, database=None, max_examples=100)
settings.register_profile("deep", deadline=None, max_examples=3000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("ESS_PROPERTIES", "quick"))
