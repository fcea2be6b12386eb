"""Files that others may read or write are warned of, where that gives something away."""

from pathlib import Path

import msgspec
import pytest

from callout.config.table import Settings
from callout.preflight.modes import warn_of_modes
from tests.callout.preflight.samples import make_settings, write


@pytest.fixture
def valid(tmp_path: Path) -> Settings:
    """Settings with files that nobody else may touch."""
    return make_settings(tmp_path)


@pytest.mark.parametrize(("mode", "count"), [(0o600, 0), (0o640, 0), (0o644, 1), (0o660, 0), (0o666, 2)])
def test_a_key_that_everybody_may_read_or_write_is_warned_of(valid: Settings, mode: int, count: int) -> None:
    """Not an error: a pod's volumes are mounted so unless told otherwise."""
    valid.nats_signing_key_file.chmod(mode)
    warnings = list(warn_of_modes(valid))
    assert count == len(warnings)
    assert all(line.startswith("NATS_SIGNING_KEY_FILE: ") for line in warnings)


@pytest.mark.parametrize("field", ["jwks_path", "nats_ceiling_file", "serviceaccounts_path", "nats_tls_ca_file"])
@pytest.mark.parametrize(("mode", "count"), [(0o644, 0), (0o664, 0), (0o646, 1)])
def test_an_input_that_everybody_may_write_is_warned_of(
    valid: Settings, tmp_path: Path, field: str, mode: int, count: int
) -> None:
    """To read it is no harm; who writes it decides who gets in."""
    path = write(tmp_path / "input", "x", mode)
    warnings = list(warn_of_modes(msgspec.structs.replace(valid, **{field: path})))
    expected = (
        f"{field.upper()}: {path} may be written to by every user of the machine, who so decides who gets in; "
        f"'chmod o-w {path}' puts it right"
    )
    assert [expected] * count == warnings


@pytest.mark.parametrize(("folder_mode", "file_mode", "which"), [(0o757, 0o600, ""), (0o700, 0o602, "b.yml")])
def test_a_folder_of_manifests_is_looked_into(
    valid: Settings, tmp_path: Path, folder_mode: int, file_mode: int, which: str
) -> None:
    """Files can be added to a folder that others may write to; of several files one is named."""
    folder = tmp_path / "accounts"
    folder.mkdir()
    write(folder / "a.yaml", "")
    write(folder / "b.yml", "", file_mode)
    write(folder / "c.yml", "", file_mode)
    write(folder / "notes", "", 0o666)
    folder.chmod(folder_mode)
    (line,) = warn_of_modes(msgspec.structs.replace(valid, serviceaccounts_path=folder))
    assert line.startswith(f"SERVICEACCOUNTS_PATH: {folder / which} may be written to")


def test_a_kubeconfig_that_everybody_may_write_is_warned_of(valid: Settings, tmp_path: Path) -> None:
    """It says which API server is believed; each file of the list counts."""
    kubeconfig = write(tmp_path / "config", "", 0o602)
    outside = msgspec.structs.replace(valid, k8s_in_cluster=False, kubeconfig=f"{tmp_path / 'none'}:{kubeconfig}")
    assert ["KUBECONFIG"] == [line.partition(":")[0] for line in warn_of_modes(outside)]


def test_what_is_not_there_is_not_warned_of(valid: Settings, tmp_path: Path) -> None:
    """It is an error, and told of once."""
    assert [] == list(warn_of_modes(msgspec.structs.replace(valid, jwks_path=tmp_path / "none")))
