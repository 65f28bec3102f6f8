"""Who types a command, for the audit log: the account on this machine."""

import os
import pwd

from app.store.audit import Actor


def operator() -> Actor:
    """The account that this process runs under."""
    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = f"uid {uid}"
    return Actor(name, "operator")
