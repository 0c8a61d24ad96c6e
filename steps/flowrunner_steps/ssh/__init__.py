"""Files by SSH, and waiting for it; the action `ssh` itself is in `ssh_.py` beside this package."""
