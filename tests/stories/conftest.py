"""What stories share that do in this process what a program of the deployment does."""

from collections.abc import Iterator

import pytest
from stack import Deployment

from config.settings import Settings
from ess.engine import Engine, open_engine


@pytest.fixture
def settings(deployment: Deployment) -> Settings:
    """As the clock of the deployment has them."""
    environment = deployment.stack.environment
    names = {f"ESS_{name.upper()}": name for name in Settings.model_fields}
    return Settings(**{names[key]: value for key, value in environment.items() if key in names})


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    """The engine as the clock has it open."""
    engine = open_engine(settings, pool_size=2)
    yield engine
    engine.store.close()
