"""Who asks, and what they may do: principals, the credentials they show, and what reads those.

A door learns of it by `owner_of` and `principal_of`; that somebody has been let in is `app/web/gate.py`'s matter. Here
at the top are the words alone, which the store knows too.
"""

from app.auth.principal import OPEN, Principal, Reach, Scope, owner_of, principal_of

__all__ = ["OPEN", "Principal", "Reach", "Scope", "owner_of", "principal_of"]
