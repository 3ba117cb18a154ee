# syntax=docker/dockerfile:1
# One image for every program of the engine; docker-compose.yml says which of them a container runs.
# 3.11 is the version that requirements.lock is resolved for and that the tests run on.
FROM python:3.11-slim-trixie AS packages

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv /opt/ess
COPY requirements.lock .
# Only what the lock names, by its hashes; wheels alone, so no code runs while installing.
RUN /opt/ess/bin/python -m pip install --require-hashes --no-deps --only-binary :all: -r requirements.lock

WORKDIR /app
COPY config config
COPY ess ess
COPY schedules schedules
COPY workers workers
# The same as pyproject.toml's [project.scripts], without a build backend that the lock does not hold.
RUN printf '#!/opt/ess/bin/python\nfrom ess.cli import main\n\nmain()\n' > /opt/ess/bin/ess && chmod 755 /opt/ess/bin/ess
# Compiled now, because containers cannot write here.
RUN /opt/ess/bin/python -m compileall -q config ess schedules workers


FROM python:3.11-slim-trixie

RUN useradd --system --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin ess
COPY --from=packages /opt/ess /opt/ess
COPY --from=packages /app /app
WORKDIR /app
ENV PATH=/opt/ess/bin:$PATH PYTHONPATH=/app MALLOC_ARENA_MAX=2 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
CMD ["ess", "--help"]
