"""What the system must bring: Qt's libraries on Linux, Python's venv module on Debian, a screen, disk room."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Library:
    """A shared library that Qt loads, and the package that brings it."""

    soname: str
    apt: str
    dnf: str
    pacman: str
    window_only: bool  # False: even pictures without a screen (offscreen Qt) need it


# What PySide6 6.12's QtGui and its xcb and wayland plugins are linked against (ldd), less what they bring along.
LIBRARIES = (
    Library("libGL.so.1", "libgl1", "libglvnd-glx", "libglvnd", False),
    Library("libEGL.so.1", "libegl1", "libglvnd-egl", "libglvnd", False),
    Library("libX11.so.6", "libx11-6", "libX11", "libx11", False),
    Library("libxkbcommon.so.0", "libxkbcommon0", "libxkbcommon", "libxkbcommon", False),
    Library("libdbus-1.so.3", "libdbus-1-3", "dbus-libs", "dbus", False),
    Library("libfontconfig.so.1", "libfontconfig1", "fontconfig", "fontconfig", False),
    Library("libfreetype.so.6", "libfreetype6", "freetype", "freetype2", False),
    Library("libglib-2.0.so.0", "libglib2.0-0", "glib2", "glib2", False),
    Library("libgthread-2.0.so.0", "libglib2.0-0", "glib2", "glib2", False),
    Library("libz.so.1", "zlib1g", "zlib", "zlib", False),
    Library("libzstd.so.1", "libzstd1", "libzstd", "zstd", False),
    Library("libxcb.so.1", "libxcb1", "libxcb", "libxcb", True),
    Library("libX11-xcb.so.1", "libx11-xcb1", "libX11-xcb", "libx11", True),
    Library("libxcb-cursor.so.0", "libxcb-cursor0", "xcb-util-cursor", "xcb-util-cursor", True),
    Library("libxcb-icccm.so.4", "libxcb-icccm4", "xcb-util-wm", "xcb-util-wm", True),
    Library("libxcb-image.so.0", "libxcb-image0", "xcb-util-image", "xcb-util-image", True),
    Library("libxcb-keysyms.so.1", "libxcb-keysyms1", "xcb-util-keysyms", "xcb-util-keysyms", True),
    Library("libxcb-randr.so.0", "libxcb-randr0", "libxcb", "libxcb", True),
    Library("libxcb-render.so.0", "libxcb-render0", "libxcb", "libxcb", True),
    Library("libxcb-render-util.so.0", "libxcb-render-util0", "xcb-util-renderutil", "xcb-util-renderutil", True),
    Library("libxcb-shape.so.0", "libxcb-shape0", "libxcb", "libxcb", True),
    Library("libxcb-shm.so.0", "libxcb-shm0", "libxcb", "libxcb", True),
    Library("libxcb-sync.so.1", "libxcb-sync1", "libxcb", "libxcb", True),
    Library("libxcb-util.so.1", "libxcb-util1", "xcb-util", "xcb-util", True),
    Library("libxcb-xfixes.so.0", "libxcb-xfixes0", "libxcb", "libxcb", True),
    Library("libxcb-xkb.so.1", "libxcb-xkb1", "libxcb", "libxcb", True),
    Library("libxcb-glx.so.0", "libxcb-glx0", "libxcb", "libxcb", True),
    Library("libxkbcommon-x11.so.0", "libxkbcommon-x11-0", "libxkbcommon-x11", "libxkbcommon-x11", True),
    Library("libwayland-client.so.0", "libwayland-client0", "libwayland-client", "wayland", True),
    Library("libwayland-cursor.so.0", "libwayland-cursor0", "libwayland-cursor", "wayland", True),
    Library("libwayland-egl.so.1", "libwayland-egl1", "libwayland-egl", "wayland", True),
)


def missing_libraries(libraries: Iterable[Library] = LIBRARIES) -> list[Library]:
    """Those that cannot be loaded here. Only Linux leaves them to the system."""
    return [one for one in libraries if not _loads(one.soname)] if sys.platform.startswith("linux") else []


def _loads(soname: str) -> bool:
    try:
        ctypes.CDLL(soname)
    except OSError:
        return False
    return True


def package_manager(which: Mapping[str, bool] | None = None) -> str:
    """The system's package manager: apt, dnf, pacman, zypper or nothing known."""
    for name, tool in (("apt", "apt-get"), ("dnf", "dnf"), ("pacman", "pacman"), ("zypper", "zypper")):
        if which.get(tool, False) if which is not None else shutil.which(tool):
            return name
    return ""


def install_line(manager: str, libraries: Iterable[Library]) -> str:
    """The one command that installs the packages of these libraries."""
    field = "dnf" if manager in ("dnf", "zypper") else "pacman" if manager == "pacman" else "apt"
    names = " ".join(sorted({str(getattr(one, field)) for one in libraries}))
    if manager == "dnf":
        return f"sudo dnf install {names}"
    if manager == "pacman":
        return f"sudo pacman -S --needed {names}"
    if manager == "zypper":
        # openSUSE splits its packages by library; it finds them by what they provide.
        wanted = " ".join(f"'{one.soname}()(64bit)'" for one in libraries)
        return f"sudo zypper install {wanted}"
    if manager == "apt":
        return f"sudo apt install {names}"
    return "install these libraries with your system's package manager: " + " ".join(one.soname for one in libraries)


def may_install() -> bool:
    """Root on a Debian-like system: only then are packages installed unasked. Never through sudo."""
    return hasattr(os, "geteuid") and os.geteuid() == 0 and bool(shutil.which("apt-get"))


def venv_package() -> str:
    """The Debian package that is missing from this Python's venv support; empty when all is there."""
    importlib.invalidate_caches()  # it may have been installed a moment ago
    specs = [importlib.util.find_spec(name) for name in ("venv", "ensurepip")]
    if all(spec and spec.origin for spec in specs):
        return ""
    return f"python3.{sys.version_info[1]}-venv"


def free_gb(folder: Path) -> float:
    """Room on the disk that the folder is on."""
    return shutil.disk_usage(folder).free / 1e9


def no_screen(environ: Mapping[str, str]) -> bool:
    """Is this a Linux session without any display?"""
    names = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    return sys.platform.startswith("linux") and not any(environ.get(name) for name in names)


def answers(url: str, seconds: float = 4.0) -> bool:
    """Does a web server answer at this address within the time? The user's proxy settings count."""
    import ssl
    import threading
    import urllib.error
    import urllib.request

    outcome: list[bool] = []

    def ask() -> None:
        try:
            request = urllib.request.Request(url, method="HEAD")
            with urllib.request.urlopen(request, timeout=seconds):
                outcome.append(True)
        except urllib.error.URLError as error:
            # pip may know the certificate that Python's own store does not: it shall decide.
            outcome.append(isinstance(error.reason, ssl.SSLCertVerificationError))
        except (OSError, ValueError):
            outcome.append(False)

    # In a thread, since looking a name up has no time limit of its own.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return bool(outcome and outcome[0])


def works(command: list[str | Path], seconds: float = 60.0) -> bool:
    """Does this command succeed?"""
    from installers._boot.pip import child_env

    try:
        done = subprocess.run(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            check=False,
            env=child_env(),
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0
