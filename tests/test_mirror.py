"""Every module has the test file that its name leads to, or a reason not to."""

from pathlib import Path

from tests.pages import ROOT

ELSEWHERE = {
    "callout/__main__.py": "one line; tests/test_packaging.py runs it",
    "workers/__main__.py": "one line; every test of the running service runs it",
    "callout/sources.py": "factories only; tests/interop/test_settings.py shows that each setting leads to its source",
}
"""Modules without a test file of their own, and where they are tested."""


def find_modules() -> list[Path]:
    """All modules that hold code, relative to the root."""
    found = (path for package in ("callout", "workers") for path in (ROOT / package).rglob("*.py"))
    return sorted(path.relative_to(ROOT) for path in found if path.name != "__init__.py")


def find_test(module: Path) -> Path:
    """Where the tests of a module stand."""
    return Path("tests") / module.with_name(f"test_{module.name}")


def test_every_module_has_its_test_file() -> None:
    """So nobody has to look for it, and what is missing shows."""
    missing = [str(module) for module in find_modules() if not (ROOT / find_test(module)).exists()]
    assert sorted(ELSEWHERE) == missing


def test_every_exception_has_a_module_and_a_place() -> None:
    """The list does not outlive what it names."""
    modules = set(map(str, find_modules()))
    assert set() == set(ELSEWHERE) - modules
    named = [word.strip(":;,") for reason in ELSEWHERE.values() for word in reason.split() if word.startswith("tests/")]
    assert [] == [name for name in named if not (ROOT / name).exists()]
