"""Fixtures for every test."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """The one backend: grpc.aio needs asyncio."""
    return "asyncio"
