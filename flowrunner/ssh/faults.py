"""What asyncssh says went wrong, in our words and with its blame."""

from __future__ import annotations

import asyncssh

from flowrunner.errors import BenchError
from flowrunner.model import Duration
from flowrunner.ssh.settings import Credentials


def login_failed(error: Exception, where: str, who: Credentials, timeout: float) -> BenchError:
    """Why there is no connection to `where`."""
    match error:
        case BenchError():
            return error
        case asyncssh.PermissionDenied():
            return _refused(where, who)
        case ValueError():
            return BenchError(f"no SSH connection can be made like this: {error}", blame="config", help="see ciphers")
        case TimeoutError():
            what = f"the SSH server at {where} let nobody in within {Duration(timeout)}"
            return BenchError(what, blame="infra", help="is the device up? 'timeout' bounds one attempt")
        case asyncssh.KeyExchangeFailed():
            return BenchError(
                f"the SSH server at {where} knows none of our algorithms: {error.reason}", blame="config",
                help="old ones have to be allowed: legacy: true",
            )  # fmt: skip
        case asyncssh.ProtocolError() | asyncssh.ProtocolNotSupported():
            return BenchError(f"what answers at {where} speaks no SSH: {error.reason}", blame="config")
        case OSError() | asyncssh.Error():
            what = f"the SSH server at {where} closed the connection before the login: {reason(error)}"
            return BenchError(what, blame="infra")
        case _:
            what = f"the login at {where} failed with {type(error).__name__}: {error}"
            return BenchError(what, blame="internal", help="this is a defect of the driver")


def _refused(where: str, who: Credentials) -> BenchError:
    if not who.how:
        return BenchError(
            f"the SSH server at {where} asks '{who.username}' for a password or a key, and there is none",
            blame="config", help="give password or key, or agent: true",
        )  # fmt: skip
    return BenchError(
        f"the SSH server at {where} refused the login of '{who.username}' by {who.how}", blame="config",
        help="look at username, password and key, and at what the server allows (PermitRootLogin)",
    )  # fmt: skip


def lost(where: str, doing: str, error: BaseException | None = None) -> BenchError:
    """The connection ended in the middle of something."""
    why = f": {reason(error)}" if error and reason(error) != "Connection lost" else ""
    return BenchError(
        f"the SSH connection to {where} was lost while {doing}{why}", blame="device",
        help="did the device reboot, crash, or lose its network?",
    )  # fmt: skip


def reason(error: BaseException) -> str:
    """What an exception says, or its name."""
    if isinstance(error, BenchError):
        return error.what
    return str(getattr(error, "reason", "") or error) or type(error).__name__
