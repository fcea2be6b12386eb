"""An nsc store, written as nsc lays it out, from a deployment of ours."""

from pathlib import Path

from callout.bootstrap.accounts import issue_accounts
from callout.bootstrap.record import Deployment, plan_users


def write_store(place: Path, deployment: Deployment) -> Path:
    """Write it below `place`; return the operator's folder."""
    record, material = deployment.record, deployment.material
    root = place / record.operator.name
    root.mkdir(parents=True)
    (root / f"{root.name}.jwt").write_text(material.operator_jwt)
    for name, jwt in issue_accounts(deployment).items():
        (root / "accounts" / name / "users").mkdir(parents=True)
        (root / "accounts" / name / f"{name}.jwt").write_text(jwt)
    for name, (account, _) in plan_users(record.choices).items():
        jwt = material.credentials[name].jwt.reveal()
        (root / "accounts" / account / "users" / f"{name}.jwt").write_text(jwt + "\n")
    return root
