"""Python imports this at its start where PYTHONPATH names the folder (conftest.py)."""

import loopback_only  # noqa: F401
