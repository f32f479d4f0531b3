"""Every test gets a home of its own; nothing reaches the user's folders, a screen or the network."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import hypothesis
import pytest

# The same examples every time: a test that fails by luck is a test nobody believes. Slow machines are no failure.
hypothesis.settings.register_profile(
    "atelier", deadline=None, derandomize=True, max_examples=60, database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.function_scoped_fixture],
)  # fmt: skip
hypothesis.settings.load_profile("atelier")

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """ATELIER_HOME, the hub's cache and the fake painter for this test (and the processes it starts)."""
    folder = tmp_path / "home"
    monkeypatch.setenv("ATELIER_HOME", str(folder))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub-home"))  # where the hub's library keeps tokens
    monkeypatch.setenv("ATELIER_FAKE", "1")
    for name in ("HF_TOKEN", "HF_ENDPOINT", "HF_HUB_OFFLINE", "ATELIER_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("ATELIER_FAULTS", raising=False)
    return folder


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anything but loopback is refused in this process."""
    real = socket.socket.connect

    def connect(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else ""
        if self.family in (socket.AF_INET, socket.AF_INET6) and host not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"a test reached for the network: {address}")
        real(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", connect)
