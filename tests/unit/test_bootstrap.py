"""The bootstrap: its entry on any Python, its stamp, its repairs and its words."""

from __future__ import annotations

import ast
import io
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # also when pytest was not started as `python -m pytest`
from installers import bootstrap  # noqa: E402
from installers._boot import choose as chooser  # noqa: E402
from installers._boot import cli, detect, doctor, environment, pip, stamp, system  # noqa: E402
from installers._boot.choose import Choice  # noqa: E402
from installers._boot.facts import Machine  # noqa: E402
from installers._boot.report import Problem, Report  # noqa: E402
from installers._boot.stamp import Stamp  # noqa: E402

ENTRY = ROOT / "installers" / "bootstrap.py"
posix_only = pytest.mark.skipif(os.name != "posix", reason="environments are laid out differently on Windows")


# ---- the entry


def test_the_entry_parses_on_old_pythons() -> None:
    ast.parse(ENTRY.read_text(encoding="utf-8"), feature_version=(3, 6))


def run_entry_as(found: tuple[int, int], *arguments: str) -> subprocess.CompletedProcess[str]:
    code = (
        f"import sys, runpy; sys.version_info = ({found[0]}, {found[1]}, 7, 'final', 0);"
        f"sys.argv = [{str(ENTRY)!r}, *{list(arguments)!r}]; runpy.run_path({str(ENTRY)!r}, run_name='__main__')"
    )
    environ = {**os.environ, "PATH": ""}  # no other Python to go on with
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environ, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("found", "words"), [((3, 9), "Python 3.11 or newer; this is 3.9."), ((3, 15), "3.11 to 3.14")]
)
def test_a_wrong_python_gets_one_line(found: tuple[int, int], words: str) -> None:
    done = run_entry_as(found, "setup")
    assert done.returncode == 1
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert not done.stdout


@pytest.mark.parametrize(
    ("platform", "release", "command"),
    [
        ("linux", {"ID": "ubuntu", "VERSION_ID": "20.04", "ID_LIKE": "debian"}, "deadsnakes"),
        ("linux", {"ID": "ubuntu", "VERSION_ID": "22.04", "ID_LIKE": "debian"}, "sudo apt install python3.11"),
        ("linux", {"ID": "debian", "VERSION_ID": "11"}, "sudo apt install python3"),
        ("linux", {"ID": "rocky", "ID_LIKE": "rhel centos fedora"}, "sudo dnf install"),
        ("linux", {"ID": "arch"}, "sudo pacman"),
        ("linux", {"ID": "opensuse-leap", "ID_LIKE": "suse opensuse"}, "sudo zypper"),
        ("linux", {}, "python.org"),
        ("darwin", {}, "brew install"),
        ("win32", {}, "winget install"),
    ],
)
def test_every_system_has_its_own_command(platform: str, release: dict[str, str], command: str) -> None:
    assert command in bootstrap.wrong_python((3, 8, 10), platform, release)
    assert not bootstrap.wrong_python((3, 12, 1), platform, release)


# ---- arguments


def test_arguments_after_the_dashes_are_passed_through() -> None:
    options = cli.parse(["run", "--torch", "cpu", "--", "generate", "a cat", "--json", "--", "x"])
    assert (options.command, options.torch, options.repair) == ("run", "cpu", False)
    assert options.rest == ["generate", "a cat", "--json", "--", "x"]
    assert cli.parse([]).command == "run"


def test_arguments_without_the_dashes_are_told_where_to_go(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.parse(["test", "-k", "boot"])
    assert stop.value.code == 2
    assert "test -- -k boot" in capsys.readouterr().err


# ---- the stamp, on a small made-up environment


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "my project"
    root.mkdir()
    (root / "pyproject.toml").write_text(
        '[project]\nname = "atelier"\n[tool.ruff]\nline-length = 120\n', encoding="utf-8"
    )
    return root


def fake_package(site: Path, name: str, number: str) -> None:
    folder = site / name
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("x = 1\n", encoding="utf-8")
    info = site / f"{name}-{number}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Name: {name}\n", encoding="utf-8")
    rows = [f"{name}/__init__.py,sha256=abc,6", f"{name}/__pycache__/x.pyc,,", f"{info.name}/RECORD,,"]
    (info / "RECORD").write_text("\n".join(rows) + "\n", encoding="utf-8")


@pytest.fixture
def venv(project: Path) -> Path:
    folder = project / ".venv"
    site = folder / "lib" / "python3.11" / "site-packages"
    site.mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "bin" / "python").symlink_to(sys.executable)
    (folder / "pyvenv.cfg").write_text("home = /usr/bin\n", encoding="utf-8")
    for name, number in (("torch", chooser.TORCH), ("torchvision", chooser.TORCHVISION), ("pip", "26.1")):
        fake_package(site, name, number)
    return folder


def stamp_for(root: Path) -> Stamp:
    folder = root / ".venv"
    return Stamp(
        root=str(root),
        project=stamp.project_hash(root / "pyproject.toml"),
        python=os.path.realpath(stamp.python_of(folder)),
        extras=("test",),
        machine="gpu",
        torch="cpu",
        wanted="",
        plain=False,
        entries=stamp.entries_hash(folder),
    )


@posix_only
class TestStamp:
    def stale(self, root: Path, extras: tuple[str, ...] = (), machine: str = "gpu", wanted: str = "") -> str:
        return stamp.stale(stamp.read(root / ".venv"), root, root / ".venv", extras, machine, wanted)

    def test_written_and_read_it_is_the_same(self, project: Path, venv: Path) -> None:
        stamp.write(venv, stamp_for(project))
        assert stamp.read(venv) == stamp_for(project)
        assert self.stale(project) == ""
        assert self.stale(project, ("test",)) == ""

    def test_without_one_a_set_up_is_needed(self, project: Path, venv: Path) -> None:
        assert self.stale(project) == "it was not finished"
        stamp.write(venv, stamp_for(project))
        stamp.clear(venv)
        assert self.stale(project)
        shutil.rmtree(venv)
        assert self.stale(project) == "it is the first time"

    @pytest.mark.parametrize(
        "text", ["", "{", "[]", '{"format": 0}', '{"format": 1, "extras": [], "missing": []}', "null"]
    )
    def test_a_broken_one_counts_as_none(self, venv: Path, text: str) -> None:
        (venv / stamp.NAME).write_text(text, encoding="utf-8")
        assert stamp.read(venv) is None

    def test_what_changed_is_named(self, project: Path, venv: Path) -> None:
        stamp.write(venv, stamp_for(project))
        assert "more is needed" in self.stale(project, ("test", "dev"))
        assert "graphics" in self.stale(project, machine="another gpu")
        assert "another PyTorch" in self.stale(project, wanted="cu126")
        stamp.write(venv, replace(stamp_for(project), root="/elsewhere"))
        assert "moved" in self.stale(project)
        stamp.write(venv, replace(stamp_for(project), python="/usr/bin/python3.10"))
        assert "replaced" in self.stale(project)

    def test_only_what_matters_in_pyproject_counts(self, project: Path, venv: Path) -> None:
        stamp.write(venv, stamp_for(project))
        text = (project / "pyproject.toml").read_text(encoding="utf-8")
        (project / "pyproject.toml").write_text(text.replace("120", "100"), encoding="utf-8")
        assert self.stale(project) == ""
        (project / "pyproject.toml").write_text(text.replace("atelier", "atelier2"), encoding="utf-8")
        assert "requirements" in self.stale(project)

    def test_a_python_that_went_away_is_noticed(self, project: Path, venv: Path) -> None:
        stamp.write(venv, stamp_for(project))
        (venv / "bin" / "python").unlink()
        assert self.stale(project) == "its Python is gone"

    def test_packages_taken_away_are_noticed(self, project: Path, venv: Path) -> None:
        stamp.write(venv, stamp_for(project))
        site = stamp.site_of(venv)
        assert site
        shutil.rmtree(site / "torch")
        assert self.stale(project) == "packages were changed"

    def test_a_package_without_its_record_is_noticed(self, project: Path, venv: Path) -> None:
        stamp.write(venv, stamp_for(project))
        site = stamp.site_of(venv)
        assert site
        (site / f"torch-{chooser.TORCH}.dist-info" / "RECORD").unlink()
        assert self.stale(project) == "packages were changed"

    def test_ready_is_ready_at_once(self, project: Path, venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(detect, "signature", lambda: "gpu")
        monkeypatch.setattr(subprocess, "Popen", None)  # no process may be started
        stamp.write(venv, stamp_for(project))
        out = io.StringIO()
        assert environment.ensure(project, ["test"], Report(out)) == stamp_for(project)
        assert out.getvalue() == ""


# ---- repairs


@posix_only
class TestRepair:
    def test_damage_is_found_and_taken_away(self, venv: Path) -> None:
        site = stamp.site_of(venv)
        assert site
        assert stamp.damaged(venv) == []
        (site / "torch" / "__init__.py").write_text("", encoding="utf-8")  # cut short
        (site / "torchvision" / "__init__.py").unlink()
        broken = stamp.damaged(venv)
        assert [info.name.partition("-")[0] for info in broken] == ["torch", "torchvision"]
        for info in broken:
            stamp.remove_package(info)
        assert stamp.installed(venv) == {"pip": "26.1"}
        assert not (site / "torch" / "__init__.py").exists()

    def test_a_half_unpacked_package_counts_as_damaged(self, venv: Path) -> None:
        site = stamp.site_of(venv)
        assert site
        (site / "half-1.0.dist-info").mkdir()
        assert [info.name for info in stamp.damaged(venv)] == ["half-1.0.dist-info"]

    def test_a_record_cannot_delete_outside(self, venv: Path) -> None:
        site = stamp.site_of(venv)
        assert site
        outside = venv / "keep.txt"
        outside.write_text("keep", encoding="utf-8")
        info = site / f"torch-{chooser.TORCH}.dist-info"
        (info / "RECORD").write_text(f"../../../keep.txt,,4\n{outside},,4\n", encoding="utf-8")
        stamp.remove_package(info)
        assert outside.exists()

    def test_leftovers_of_pip_go(self, venv: Path) -> None:
        site = stamp.site_of(venv)
        assert site
        (site / "~orch").mkdir()
        stamp.remove_leftovers(venv)
        assert not (site / "~orch").exists()

    @pytest.mark.parametrize("old", ["/old/.venv", "/old place/.venv"])
    @pytest.mark.parametrize("place", ["new", "new place"])
    def test_scripts_follow_a_moved_folder(self, tmp_path: Path, old: str, place: str) -> None:
        folder = tmp_path / place / ".venv"
        (folder / "bin").mkdir(parents=True)
        (folder / "bin" / "python").symlink_to(sys.executable)
        script, activate = folder / "bin" / "tool", folder / "bin" / "activate"
        script.write_bytes(environment.shebang(f"{old}/bin/python".encode()) + b"import sys\nprint(sys.argv[1])\n")
        script.chmod(0o755)
        activate.write_text(f"VIRTUAL_ENV='{old}'\nexport VIRTUAL_ENV\n", encoding="utf-8")
        assert environment.move_scripts(folder)
        done = subprocess.run([script, "a b"], capture_output=True, text=True, timeout=60, check=False)
        assert done.stdout == "a b\n", done.stderr
        assert f"VIRTUAL_ENV='{folder}'" in activate.read_text(encoding="utf-8")
        assert not environment.move_scripts(folder)

    def test_a_foreign_folder_is_never_deleted(self, project: Path) -> None:
        folder = project / ".venv"
        folder.mkdir()
        (folder / "thesis.txt").write_text("irreplaceable", encoding="utf-8")
        with pytest.raises(Problem, match=r"thesis\.txt"):
            environment.ensure(project, [], Report(io.StringIO()))
        assert (folder / "thesis.txt").exists()

    def test_a_full_disk_is_told_before_anything_starts(self, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(system, "free_gb", lambda _folder: 0.3)
        with pytest.raises(Problem, match=r"0\.3 GB free"):
            environment.ensure(project, [], Report(io.StringIO()))
        assert not (project / ".venv").exists()


# ---- the choice of PyTorch against what is installed


VENDOR_CPU = Choice("cpu", "cpu", "CPU", f"{chooser.INDEX_ROOT}/cpu", 3.0)
PYPI_CUDA = Choice("cu130", "cuda", "RTX 3060", None, 8.0)


@pytest.mark.parametrize(
    ("torch", "choice", "fits"),
    [
        ("2.14.1+cpu", VENDOR_CPU, True),
        ("2.14.1", VENDOR_CPU, True),  # the default build does as well, so nothing is fetched again
        ("2.14.1", replace(VENDOR_CPU, loses="the GPU"), False),  # it does not: try again
        ("2.14.1", PYPI_CUDA, True),
        ("2.14.1+cu130", PYPI_CUDA, True),
        ("2.14.1+cpu", PYPI_CUDA, False),
        ("2.13.0", PYPI_CUDA, False),
        ("", PYPI_CUDA, False),
    ],
)
def test_what_is_installed_stays_where_it_fits(torch: str, choice: Choice, fits: bool) -> None:
    assert environment.torch_fits({"torch": torch, "torchvision": chooser.TORCHVISION}, choice) is fits


@posix_only
def test_only_setup_tries_the_vendors_index_again(project: Path, venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_rest: object) -> None:
        raise Problem("tried")

    monkeypatch.setattr(detect, "signature", lambda: "gpu")
    monkeypatch.setattr(detect, "look", refuse)
    stamp.write(venv, replace(stamp_for(project), plain=True))
    assert environment.ensure(project, [], Report(io.StringIO()), thorough=True).plain
    with pytest.raises(Problem, match="tried"):
        environment.ensure(project, [], Report(io.StringIO()), retry=True)


def test_an_index_that_is_out_of_reach_is_known_quickly() -> None:
    assert not system.answers("http://127.0.0.1:9/whl/cpu/torch/", 2)
    assert not system.answers("not an address", 2)


def test_a_mirror_can_be_named() -> None:
    index = f"{chooser.INDEX_ROOT}/cu126"
    assert environment.vendor_index(index, {}) == index
    assert (
        environment.vendor_index(index, {"ATELIER_TORCH_INDEX": "http://127.0.0.1:9/w/"})
        == "http://127.0.0.1:9/w/cu126"
    )


@posix_only
@pytest.mark.parametrize("reachable", [True, False])
def test_the_default_index_stands_in(
    project: Path, venv: Path, monkeypatch: pytest.MonkeyPatch, reachable: bool
) -> None:
    shutil.rmtree(venv / "lib" / "python3.11" / "site-packages")
    calls: list[list[str]] = []

    def fake_run(command: list[str], *_rest: object) -> tuple[int, str]:
        calls.append([str(part) for part in command])
        return int("--extra-index-url" in calls[-1]), "ERROR: No matching distribution found for torch"

    monkeypatch.setattr(environment, "run_logged", fake_run)
    monkeypatch.setattr(system, "free_gb", lambda _folder: 100.0)
    if reachable:
        monkeypatch.setattr(system, "answers", lambda _url: True)
    else:
        monkeypatch.setenv("ATELIER_TORCH_INDEX", "http://127.0.0.1:9")
    out = io.StringIO()
    work = environment._SetUp(project, Report(out), None, ())
    assert work._torch(replace(VENDOR_CPU, loses="it cannot"), Machine("linux", "x86_64")) is True
    assert calls[-1][-3:] == ["install", f"torch=={chooser.TORCH}", f"torchvision=={chooser.TORCHVISION}"]
    assert len(calls) == 1 + reachable
    assert "the default package index is used instead" in out.getvalue()
    assert not any("--index-url" in part for call in calls for part in call)  # the user's own stays in force


# ---- pip's words


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("Collecting torch==2.14.1", "looking up torch"),
        (
            "  Downloading torch-2.14.1-cp311-cp311-manylinux_2_28_x86_64.whl (812.3 MB)",
            "downloading torch-2.14.1 (812.3 MB)",
        ),
        ("  Downloading https://h/p/numpy-2.4.6-cp311.whl.metadata (62 kB)", "downloading numpy-2.4.6 (62 kB)"),
        ("Installing collected packages: a, b, c", "unpacking 3 packages"),
        ("  Using cached sympy-1.14.0-py3-none-any.whl (6.3 MB)", "from the cache: sympy-1.14.0"),
        ("Requirement already satisfied: pip", ""),
    ],
)
def test_pip_is_followed(line: str, status: str) -> None:
    assert pip.status_of(line) == status


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (
            "Retrying ... NewConnectionError('<...>: Failed to establish a new connection: [Errno -3]",
            "cannot be reached",
        ),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk is full"),
        ("ERROR: No matching distribution found for torch==2.14.1", "no PyTorch for this Python"),
        ("pip._vendor.urllib3.exceptions.ReadTimeoutError: Read timed out.", "connection broke"),
        ("Segmentation fault", "could not install"),
    ],
)
def test_failures_are_explained(output: str, words: str, tmp_path: Path) -> None:
    problem = str(pip.failure(output, tmp_path / "log"))
    assert words in problem.partition("\n")[0]
    assert str(tmp_path / "log") in problem
    assert ("\n" in problem) == ("cannot be reached" not in words)  # without a network the log tells nothing more


def test_pip_settings_of_the_user_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://pypi.example/simple")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    environ = pip.child_env()
    assert environ["PIP_INDEX_URL"] == "https://pypi.example/simple"
    assert "PYTHONPATH" not in environ


def test_output_goes_to_the_log_and_the_step(tmp_path: Path) -> None:
    out = io.StringIO()
    with Report(out).step("Try") as step:
        code, tail = pip.run_logged(
            [sys.executable, "-c", "print('Collecting x'); exit(3)"], tmp_path / "log", step, tmp_path
        )
    assert (code, tail.strip()) == (3, "Collecting x")
    assert "Collecting x" in (tmp_path / "log").read_text(encoding="utf-8")
    assert "1. Try: done" in out.getvalue()


# ---- the system's part


LACKING = [
    one for one in system.LIBRARIES if one.soname in ("libxcb-cursor.so.0", "libwayland-cursor.so.0", "libEGL.so.1")
]


@pytest.mark.parametrize(
    ("manager", "line"),
    [
        ("apt", "sudo apt install libegl1 libwayland-cursor0 libxcb-cursor0"),
        ("dnf", "sudo dnf install libglvnd-egl libwayland-cursor xcb-util-cursor"),
        ("pacman", "sudo pacman -S --needed libglvnd wayland xcb-util-cursor"),
    ],
)
def test_missing_libraries_give_one_command(manager: str, line: str) -> None:
    assert system.install_line(manager, LACKING) == line


def test_an_unknown_system_is_told_the_names() -> None:
    assert "libEGL.so.1" in system.install_line("", LACKING)
    assert "'libEGL.so.1()(64bit)'" in system.install_line("zypper", LACKING)


def test_only_what_this_session_needs_blocks_the_window() -> None:
    def blocking(**environ: str) -> list[str]:
        return sorted(one.soname for one in cli.window_blockers(LACKING, environ))

    assert blocking(DISPLAY=":0") == ["libEGL.so.1", "libxcb-cursor.so.0"]
    assert blocking(WAYLAND_DISPLAY="wayland-0", DISPLAY=":0") == ["libEGL.so.1", "libwayland-cursor.so.0"]
    assert blocking(QT_QPA_PLATFORM="offscreen") == ["libEGL.so.1"]


def test_a_library_that_does_not_exist_is_missed() -> None:
    ghost = system.Library("libatelier-ghost.so.9", "ghost", "ghost", "ghost", True)
    assert system.missing_libraries([ghost]) == ([ghost] if sys.platform.startswith("linux") else [])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux sessions can lack a display")
def test_no_screen_is_one_clear_line(tmp_path: Path) -> None:
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    environ = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run(
        [sys.executable, str(ENTRY), "run"], capture_output=True, text=True, env=environ, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "no screen" in done.stderr
    assert done.stderr.count("\n") == 1


def test_doctor_tells_without_changing(project: Path) -> None:
    out = io.StringIO()
    doctor.tell(project, out)
    assert "Environment:  set-up needed: it is the first time" in out.getvalue()
    assert [path.name for path in project.iterdir()] == ["pyproject.toml"]


@posix_only
def test_run_becomes_the_program(tmp_path: Path) -> None:
    """Arguments, exit code and standard output are the program's own."""
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); from installers._boot import cli, environment, stamp;"
        "environment.ensure = lambda *a, **k: None; stamp.python_of = lambda v: sys.executable;"
        f"sys.exit(cli.main(['run', '--', 'generate', 'a cat', '--json'], {str(tmp_path)!r}))"
    )
    package = tmp_path / "app"
    package.mkdir()
    (package / "__main__.py").write_text(
        "import json, sys\nprint(json.dumps(sys.argv[1:]))\nsys.exit(7)\n", encoding="utf-8"
    )
    stand_in = tmp_path / "python"
    stand_in.write_text(
        f'#!/bin/sh\nshift\ncd "{tmp_path}" && exec "{sys.executable}" "$@"\n', encoding="utf-8"
    )  # drops -P
    stand_in.chmod(0o755)
    code = code.replace("lambda v: sys.executable", f"lambda v: {str(stand_in)!r}")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 7, done.stderr
    assert json.loads(done.stdout) == ["generate", "a cat", "--json"]


def test_without_root_the_command_is_told_and_nothing_is_run(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)
    monkeypatch.setattr(system, "venv_package", lambda: "python3.11-venv")
    monkeypatch.setattr(subprocess, "Popen", None)
    assert not system.may_install()
    with pytest.raises(Problem, match=r"sudo apt install python3\.11-venv"):
        environment._SetUp(project, Report(io.StringIO()), None, ())._need_venv_module()
    monkeypatch.setattr(system, "missing_libraries", lambda _libraries=(): LACKING)
    monkeypatch.setattr(system, "package_manager", lambda: "apt")
    out = io.StringIO()
    assert environment._SetUp(project, Report(out), None, ())._libraries() == LACKING
    assert "sudo apt install libegl1 libwayland-cursor0 libxcb-cursor0" in out.getvalue()


@posix_only
def test_two_set_ups_take_turns(project: Path) -> None:
    """The lock is the children's too: it holds until the pip of a killed set-up has ended."""
    with environment._lock(project, Report(io.StringIO())) as hold:
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=hold)
    with child:
        descriptor = os.open(environment.lock_path(project), os.O_RDWR)
        try:
            assert not environment._try_lock(descriptor)
            child.communicate(b"\n", timeout=60)
            assert environment._try_lock(descriptor)
        finally:
            os.close(descriptor)
