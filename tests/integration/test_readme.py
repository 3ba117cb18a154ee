"""The README keeps its word: what it tells a newcomer to type is typed here, on a running deployment."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from stack import Deployment, our_processes, wait_for
from story import Story

from config.settings import Settings
from ess.embedded.processes import free_port
from ess.store.keys import KeyRole

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line.partition("#")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.replace("\\\n", " ").splitlines()
    if line.strip()
]
ESS = [command for command in COMMANDS if command.startswith(".venv/bin/ess ")]


def run(command: str, deployment: Deployment, folder: Path) -> subprocess.CompletedProcess[str]:
    """As typed in a shell, with this environment's `ess` and the deployment's variables."""
    command = command.replace(".venv/bin/ess", str(Path(sys.executable).parent / "ess"))
    environment = {**os.environ, **deployment.stack.environment, "ESS_PUBLIC_URL": deployment.stack.url}
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_every_command_is_known_to_this_file_or_to_ci() -> None:
    in_ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for command in COMMANDS:
        if command.startswith("make ") and command != "make up":  # `ess up` is below
            assert command in in_ci, f"nothing runs `{command}`"
        else:
            assert command == "make up" or command.startswith((".venv/bin/ess ", "curl ")), command
    assert len(ESS) > 5


def test_every_port_on_which_up_listens_is_told_with_its_default() -> None:
    ports = {name: field.default for name, field in Settings.model_fields.items() if name.endswith("port")}
    assert len(ports) == 3
    for name, default in ports.items():
        assert re.search(rf"`ESS_{name.upper()}` \([^)]*\b{default}\)", README), f"{name} is {default}"


def test_the_commands_work_in_the_order_in_which_they_are_told(
    deployment: Deployment, story: Story, tmp_path: Path
) -> None:
    story.expects_complaints = True
    said: dict[str, str] = {}
    try:
        for told in ESS:
            command = told.replace("show CODE", f"show {said.get('report', '').strip()}")
            done = run(command, deployment, tmp_path)
            said[told.split()[1]] = done.stdout
            if "doctor" in told:  # the story's roster is empty, and the doctor says so
                assert done.returncode == 1
                assert "the roster has no active national_desk, supervisor" in done.stdout
                continue
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        assert "เมืองพิษณุโลก" in said["geo"]
        assert said["report"].strip() in said["show"]
        story_of_it = wait_for(
            lambda: (
                out
                if "alerted: สภ.เมืองพิษณุโลก"
                in (out := run(f".venv/bin/ess show {said['report'].strip()}", deployment, tmp_path).stdout)
                else ""
            ),
            "the sample's station is alerted",
        )
        assert "✓ สภ.เมืองพิษณุโลก — the district" in story_of_it
        assert run(".venv/bin/ess doctor", deployment, tmp_path).returncode == 0
    finally:
        deployment.settle()
        story.heard |= {entry["seq"] for entry in story.shown()}  # whom the sample alerts is told elsewhere
        deployment.count("WITH gone AS (UPDATE responder SET active = false RETURNING 1) SELECT count(*) FROM gone")


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("ESS_CALLING_HOURS=9-5", "✗ settings: ESS_CALLING_HOURS"),
        ("ESS_CHANNEL_TURNS=fax", "✗ settings: ESS_CHANNEL_TURNS"),
        ("ESS_GEOCODER=google", "✗ settings: ESS_GEOCODER=google needs ESS_GEOCODER_KEY"),
        ("ESS_PUBLIC_URL=dispatch.example", "✗ public URL: ESS_PUBLIC_URL is dispatch.example"),
    ],
)
def test_the_doctor_finds_a_setting_with_which_no_program_starts(
    deployment: Deployment, tmp_path: Path, setting: str, told: str
) -> None:
    done = run(f"{setting} .venv/bin/ess doctor", deployment, tmp_path)
    assert done.returncode == 1
    assert told in done.stdout


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        (
            "ESS_DATABASE_URL=postgresql://ess:hunter2@db/ess",
            "ess: ESS_DATABASE_URL: must begin with postgresql+psycopg:",
        ),
        ("ESS_BROKER_URL=hunter2", "ess: ESS_BROKER_URL: must begin with redis:// or rediss://"),
        ("ESS_DATABASE_URL= ESS_DATA_DIR=README.md", "ess: ESS_DATA_DIR: README.md cannot be used as a folder"),
    ],
)
def test_an_address_or_a_folder_that_no_program_can_use_is_told_in_a_sentence(
    deployment: Deployment, tmp_path: Path, setting: str, told: str
) -> None:
    (tmp_path / "README.md").touch()
    done = run(f"{setting} .venv/bin/ess show NOBODY", deployment, tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(told)
    assert "Traceback" not in done.stderr
    assert "hunter2" not in done.stderr


def test_a_report_by_curl(deployment: Deployment, story: Story, tmp_path: Path) -> None:
    story.expects_complaints = True
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed on this machine")
    (told,) = [command for command in COMMANDS if command.startswith("curl ")]
    command = told.replace("http://127.0.0.1:8000", deployment.stack.url)
    command = f"KEY={deployment.keys[KeyRole.INTAKE]}; {command}".replace("curl ", "curl -sS --noproxy '*' ")
    done = run(command, deployment, tmp_path)
    assert set(json.loads(done.stdout)) == {"report_id", "incident_id", "code"}, done.stdout + done.stderr


def test_up_runs_everything_from_any_folder_and_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "config" / "policies", tmp_path / "ours")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ESS_")} | {
        "ESS_DATA_DIR": "data",
        "ESS_POLICY_DIR": "ours",
        **{f"ESS_{name}": str(free_port()) for name in ("PORT", "FLOWER_PORT", "SIMULATOR_PORT")},
    }
    printed = tmp_path / "printed"
    with printed.open("w") as out:
        up = subprocess.Popen([Path(sys.executable).parent / "ess", "up"], stdout=out, env=environment, cwd=tmp_path)
    try:
        wait_for(lambda: "is running" in printed.read_text() or up.poll() is not None, "it runs", within_s=90)
        for what in ("Phones", "Board", "Flower"):
            assert what in printed.read_text(), printed.read_text()
        up.send_signal(signal.SIGINT)
        assert up.wait(timeout=60) == 0
    finally:
        if up.poll() is None:
            up.send_signal(signal.SIGTERM)
            up.wait(timeout=60)
    assert printed.read_text().endswith("Stopped.\n")
    assert our_processes(tmp_path) == []
