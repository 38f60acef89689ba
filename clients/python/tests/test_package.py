"""The package as a newcomer meets it."""

import importlib.metadata
import inspect
import subprocess
import sys

import pytest
from daemon import PATIENCE, binary

import expd
import expd.aio


def test_the_first_example_of_the_readme_can_be_pasted(repository):
    readme = (repository / "clients/python/README.md").read_text()
    example = readme.split("```python\n", 1)[1].split("```", 1)[0]
    done = subprocess.run(
        [sys.executable, "-c", example], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.stdout == "tomato\n"
    assert done.returncode == 0, done.stderr


def test_the_version_is_the_packages_and_the_daemons():
    assert expd.__version__ == importlib.metadata.version("expd")
    told = subprocess.run([binary(), "--version"], capture_output=True, text=True, check=True)
    assert told.stdout.split()[-1] == expd.__version__


def test_the_texts_of_the_licences_are_in_the_package(repository):
    texts = {
        file.name: file.read_text()
        for file in importlib.metadata.files("expd")
        if file.name.startswith("LICENSE")
    }
    assert texts == {
        name: (repository / name).read_text() for name in ("LICENSE-MIT", "LICENSE-APACHE")
    }


@pytest.mark.parametrize("api", [expd, expd.aio])
def test_every_public_name_is_documented(api):
    missing = []
    for name in api.__all__:
        public = getattr(api, name)
        if not inspect.getdoc(public):
            missing.append(name)
        if not inspect.isclass(public):
            continue
        for member, value in inspect.getmembers(public):
            own = "expd" in (getattr(inspect.unwrap(getattr(value, "fget", value) or value), "__module__", "") or "")
            if not member.startswith("_") and own and not inspect.getdoc(value):
                missing.append(f"{name}.{member}")
    assert missing == []


def test_both_apis_have_the_same_names():
    assert set(expd.aio.__all__) == set(expd.__all__) - {"errors"}
    for name in expd.aio.__all__:
        one, other = getattr(expd, name), getattr(expd.aio, name)
        if inspect.isclass(one):
            public = {m for m in dir(one) if not m.startswith("_")}
            assert public == {m for m in dir(other) if not m.startswith("_")}, name
