"""What stories and the HTTP tests share: one running deployment for each pytest process, one story for each test."""

from collections.abc import Iterator

import psutil
import pytest
from stack import Deployment, deployed, our_processes
from story import Story

from ess.embedded.watch import runs


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The real programs; at the end none of them is left."""
    folder = tmp_path_factory.mktemp("deployment").resolve()
    with deployed(folder) as running:
        servers = [server.pid for server in (running.services.postgres, running.services.redis) if server]
        yield running
        started = [*servers, *(program.pid for program in running.programs)]
    left = [pid for pid in started if psutil.pid_exists(pid) and runs(pid)]
    assert not left, f"processes {left} outlived the deployment that started them"
    assert not our_processes(folder)


@pytest.fixture
def story(deployment: Deployment) -> Iterator[Story]:
    """An empty country: the test peoples it, and hears of every message that it did not expect."""
    deployment.mend()
    told = Story(deployment)
    yield told
    try:
        told.check_nobody_heard_more()
    finally:
        told.end()
