"""What stands in two places stands there alike: commands, versions, addresses."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import loopback_only
import sync

ROOT = Path(__file__).resolve().parents[1]
# What Colab has (seen in November 2025; older Kaggle images lie between these and the
# lower bounds), none of which an installation may move.
COLAB = {
    "anywidget": "0.9.18",
    "gradio": "5.49.1",
    "ipywidgets": "7.7.1",
    "kaggle": "1.7.4.5",
    "kagglehub": "0.3.13",
    "matplotlib": "3.10.0",
    "mlxtend": "0.23.4",
    "nibabel": "5.3.2",
    "numpy": "2.0.2",
    "pooch": "1.8.2",
    "requests": "2.32.4",
    "scikit-learn": "1.6.1",
    "scipy": "1.16.3",
    "six": "1.17.0",
    "torch": "2.8.0",
    "torchvision": "0.23.0",
    "tqdm": "4.67.1",
}


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def requirements(text):
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    found = map(Requirement, filter(None, lines))
    return {canonicalize_name(r.name): r for r in found}


def commands(readme):
    pattern = r"<!-- command: (.*?) -->\n```\w+\n(.*?)\n```"
    return dict(re.findall(pattern, read(readme), flags=re.DOTALL))


# --- commands -------------------------------------------------------------------------


def test_both_readmes_have_the_same_commands():
    kinds = {"course", "test", "page", "app"}
    kinds |= {f"{kind}, Windows PowerShell" for kind in kinds}
    english, spanish = commands("README.md"), commands("README.es.md")
    assert set(english) == kinds
    assert {k: c.replace("--lang en", "--lang es") for k, c in english.items()} == (
        spanish
    )


def test_ci_calls_the_test_command_as_it_stands_in_the_readme():
    assert commands("README.md")["test"] == read(".ci/run").strip().splitlines()[-1]


def test_the_workflow_calls_the_test_commands():
    jobs = yaml.safe_load(read(".github/workflows/tests.yml"))["jobs"]
    called = {step.get("run") for step in jobs["pinned"]["steps"]}
    for kind in ("test", "test, Windows PowerShell"):
        assert commands("README.md")[kind] in called


@pytest.mark.parametrize("kind", ["course", "test", "page", "app"])
def test_windows_gets_the_same_steps(kind):
    unix = commands("README.md")[kind]
    windows = commands("README.md")[f"{kind}, Windows PowerShell"]
    translated = unix.replace("python3 -m venv", "py -m venv").replace(" &&", ";")
    assert windows == translated.replace(".venv/bin/", ".venv\\Scripts\\")


# --- packages -------------------------------------------------------------------------


def test_pyproject_asks_for_a_part_of_the_requirements():
    project = tomllib.loads(read("pyproject.toml"))["project"]
    listed = requirements(read("requirements.txt"))
    for line in project["dependencies"]:
        name = Requirement(line).name
        assert str(listed[name]) == str(Requirement(line)), name


def test_ranges_admit_what_colab_has():
    listed = requirements(read("requirements.txt"))
    for name, version in COLAB.items():
        assert version in listed[name].specifier, name


def test_constraints_pin_every_requirement_within_its_range():
    pins = requirements(read("constraints.txt"))
    for file in ("requirements.txt", "tests/requirements.txt"):
        for name, wanted in requirements(read(file)).items():
            assert name in pins, name
            version = str(pins[name].specifier).removeprefix("==")
            assert version in wanted.specifier, (name, version)


def test_constraints_are_exact():
    for pin in requirements(read("constraints.txt")).values():
        assert re.fullmatch(r"==[\w.]+", str(pin.specifier)), pin


def test_python_versions_agree():
    asked = SpecifierSet(
        tomllib.loads(read("pyproject.toml"))["project"]["requires-python"]
    )
    conda = yaml.safe_load(read("environment.yml"))["dependencies"]
    python = next(d for d in conda if isinstance(d, str) and d.startswith("python="))
    assert python.removeprefix("python=") in asked
    assert "Python 3.11 or newer" in read("README.md") and "3.10" not in asked
    pip = next(d["pip"] for d in conda if isinstance(d, dict))
    assert "-r requirements.txt" in pip


# --- addresses, seconds, set-up cells -------------------------------------------------


def test_everything_is_in_sync():
    check = [sys.executable, "tools/sync.py", "--check"]
    run = subprocess.run(check, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.fixture
def project(tmp_path):
    """A made-up project: both READMEs, one notebook, measured seconds."""
    address = 'Repository = "https://github.com/somebody/course"'
    (tmp_path / "pyproject.toml").write_text(f"[project.urls]\n{address}\n")
    marks = "| <!-- badges:02 -->x<!-- /badges --> <!-- cpu:02 -->1<!-- /cpu --> |"
    for name in ("README.md", "README.es.md"):
        (tmp_path / name).write_text(marks)
    folder = tmp_path / "notebooks" / "es"
    folder.mkdir(parents=True)
    times = '{"notebooks": {"02": {"seconds": 112.4, "cpu_seconds": 198.0}}}'
    (folder.parent / "durations.json").write_text(times)
    title = "# T\n<!-- badges --><!-- /badges -->\n<!-- seconds -->?<!-- /seconds --> s"
    cells = [
        nbformat.v4.new_markdown_cell(title),
        nbformat.v4.new_code_cell("old", metadata={"tags": ["setup"]}),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "02.ipynb")
    return tmp_path


def test_sync_writes_links_seconds_and_set_up_cells(project):
    texts = sync.synced(project)
    readme = texts[project / "README.es.md"][1]
    assert "github/somebody/course/blob/main/notebooks/es/02.ipynb" in readme
    assert "gh/somebody/course/main?urlpath=lab/tree/notebooks/es/02.ipynb" in readme
    assert "<!-- cpu:02 -->200<!-- /cpu -->" in readme
    assert "notebooks/en/02.ipynb" in texts[project / "README.md"][1]
    after = nbformat.reads(texts[project / "notebooks/es/02.ipynb"][1], as_version=4)
    assert "<!-- badges -->\n[Abrir en Colab](https://" in after.cells[0].source
    assert "<!-- seconds -->110<!-- /seconds --> s" in after.cells[0].source
    assert after.cells[1].source == sync.setup_cell(
        "es", "https://github.com/somebody/course"
    )


def test_sync_has_nothing_to_do_the_second_time(project):
    for path, (_, right) in sync.synced(project).items():
        path.write_text(right, encoding="utf-8")
    assert all(now == right for now, right in sync.synced(project).values())


def test_sync_refuses_what_it_cannot_know(project):
    (project / "README.md").write_text("<!-- cpu -->1<!-- /cpu -->")
    with pytest.raises(ValueError, match="does not say which notebook it means"):
        sync.synced(project)
    (project / "pyproject.toml").write_text('[project.urls]\nRepository = "here"')
    with pytest.raises(ValueError, match="expected https://github"):
        sync.synced(project)


def test_sync_needs_exactly_one_set_up_cell(project):
    path = project / "notebooks/es/02.ipynb"
    path.write_text(path.read_text().replace('"setup"', '"other"'))
    with pytest.raises(ValueError, match="one cell with the tag 'setup', found 0"):
        sync.synced(project)


@pytest.mark.parametrize("lang", ["es", "en"])
def test_the_set_up_cell_is_short(lang):
    cell = sync.setup_cell(lang, sync.address())
    assert len(cell.splitlines()) <= 8
    assert all(len(line) <= 88 for line in cell.splitlines())


def test_the_address_stands_in_one_place_only():
    """Outside of pyproject.toml, only what tools/sync.py writes knows the address."""
    marked = re.compile(r"<!-- (\w+).*?<!-- /\1 -->", re.DOTALL)
    for path in [*ROOT.glob("*.md"), *ROOT.glob(".github/**/*.yml")]:
        assert sync.address() not in marked.sub("", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("readme", sync.READMES)
def test_readme_lists_the_notebooks_and_its_links_lead_somewhere(readme):
    text = read(readme)
    names = {path.stem for path in ROOT.glob("notebooks/e[sn]/*.ipynb")}
    for kind in ("badges", "seconds", "cpu"):
        assert set(re.findall(rf"<!-- {kind}:(\w+) -->", text)) == names
    links = re.findall(r"!?\[[^\]]*\]\(([^)\s]+)\)", text)
    local = [link for link in links if not link.startswith("https://")]
    lang = sync.READMES[readme]
    assert {f"notebooks/{lang}/{name}.ipynb" for name in names} <= set(local)
    assert [link for link in local if not (ROOT / link).exists()] == []


# --- habits ---------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]])
def test_ruff(command):
    ruff = shutil.which("ruff", path=Path(sys.executable).parent) or "ruff"
    run = subprocess.run(
        [ruff, *command, "."], cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("", True),
        (None, True),
        (b"localhost", True),
        ("0.0.0.0", True),
        ("192.168.0.1", False),
        ("2001:db8::1", False),
        ("fe80::1%eth0", False),
        ("localhost.example.org", False),
        ("pypi.org", False),
    ],
)
def test_what_counts_as_this_machine(host, local):
    assert loopback_only.is_local(host) is local
