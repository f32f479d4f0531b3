"""Set Atelier up on a bare machine and run it: ``python3 installers/bootstrap.py run|test|setup|doctor [-- ...]``.

This file must parse on every Python from 3.6 on: whoever starts it with a Python that is too old gets one clear line
and not a SyntaxError. Everything newer lies in ``_boot`` and is imported after the version was checked.
"""

import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
MINIMUM = (3, 11)
BELOW = (3, 15)  # PyTorch has no builds for this one yet


def os_release(path: str = "/etc/os-release") -> "dict[str, str]":
    """The fields of Linux's os-release file, or nothing where there is none."""
    fields = {}
    try:
        with open(path) as lines:  # noqa: PTH123
            for line in lines:
                key, found, value = line.strip().partition("=")
                if found:
                    fields[key] = value.strip("\"'")
    except OSError:
        pass
    return fields


def install_command(platform: str, release: "dict[str, str]") -> str:
    """How a fitting Python is installed on this system, as a command to copy."""
    if platform == "darwin":
        return "brew install python@3.12   (or the installer from https://www.python.org/downloads/)"
    if platform == "win32":
        return "winget install Python.Python.3.12   (then: py -3.12 installers\\bootstrap.py run)"
    family = (release.get("ID", "") + " " + release.get("ID_LIKE", "")).split()
    if "ubuntu" in family:
        if release.get("VERSION_ID", "") < "22.04":
            return "sudo add-apt-repository ppa:deadsnakes/ppa && sudo apt install python3.12 python3.12-venv"
        return "sudo apt install python3.11 python3.11-venv   (then: python3.11 installers/bootstrap.py run)"
    if "debian" in family:
        return "sudo apt install python3 python3-venv   (Debian 12 or newer)"
    if "fedora" in family or "rhel" in family:
        return "sudo dnf install python3.12   (then: python3.12 installers/bootstrap.py run)"
    if "arch" in family:
        return "sudo pacman -S python"
    if "suse" in family or "opensuse" in family:
        return "sudo zypper install python312   (then: python3.12 installers/bootstrap.py run)"
    return "the installer from https://www.python.org/downloads/"


def wrong_python(version: "tuple[int, ...]", platform: str, release: "dict[str, str]") -> str:
    """One line for a Python that Atelier cannot use; empty when it can."""
    here = f"{version[0]}.{version[1]}"
    how = install_command(platform, release)
    if tuple(version[:2]) < MINIMUM:
        return "Atelier needs Python 3.11 or newer; this is " + here + ". Install it with: " + how
    if tuple(version[:2]) >= BELOW:
        return "Atelier needs Python 3.11 to 3.14 (PyTorch has no build for " + here + "). Install one with: " + how
    return ""


def fitting_python() -> str:
    """Another Python on this machine that Atelier can use, complete with venv; empty when there is none."""
    for minor in (12, 13, 11, 14):
        found = shutil.which(f"python3.{minor}")
        if not found:
            continue
        try:
            check = subprocess.call(
                [found, "-c", "import venv, ensurepip"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=10,
            )
        except (OSError, subprocess.SubprocessError):
            continue
        if check == 0:
            return found
    return ""


def main() -> int:
    """Check the Python, then hand over to the real thing."""
    problem = wrong_python(tuple(sys.version_info[:3]), sys.platform, os_release())
    if problem:
        other = fitting_python() if "ATELIER_BOOTSTRAP_AGAIN" not in os.environ else ""
        if not other:
            sys.stderr.write(problem + "\n")
            return 1
        sys.stderr.write(f"This is Python {sys.version_info[0]}.{sys.version_info[1]}; going on with {other}.\n")
        os.environ["ATELIER_BOOTSTRAP_AGAIN"] = "1"
        return subprocess.call([other, os.path.abspath(__file__)] + sys.argv[1:])  # noqa: PTH100, RUF005
    sys.path[0] = ROOT
    try:
        from installers._boot import cli
    except ImportError as error:
        if (error.name or "").startswith("installers"):
            raise
        sys.stderr.write(
            f"This Python is incomplete ({error}). On Debian and Ubuntu: sudo apt install python3 python3-venv\n"
        )
        return 1
    return cli.main(sys.argv[1:], ROOT)


if __name__ == "__main__":
    sys.exit(main())
