"""What settings mean to each other: which are needed when, which exclude each other, which look like mistakes.

Rules kept here:
- Pure: values in, lines out. A line names the variable, what is wrong, and what is right.
- A value that was wrong by itself is absent from `values`; nothing is said about it twice.
- Names alone are quoted, and addresses of servers never: both may come from a Secret.
"""

from collections.abc import Collection, Mapping
from typing import Any, Literal

from callout.config.nats_url import split
from callout.config.spelling import CLIENTS, find_strangers
from callout.secret import Secret, quote
from workers.nkeys import Kind, decode_public, looks_public
from workers.user_jwt import Mode

Required = Literal["", "always", "in operator mode", "with SERVICEACCOUNTS_PATH"]
Values = Mapping[str, Any]
"""Values by their names in `Settings`; None is not set, absent is wrong by itself."""

EXCLUSIVE = (("nats_user_creds_file", "nats_token"), ("jwks_url", "jwks_path"))
TOGETHER = ("nats_tls_cert_file", "nats_tls_key_file")
NO_POD = (
    "K8S_IN_CLUSTER: is true, but KUBERNETES_SERVICE_HOST is not set, so this is no pod; outside of a cluster set "
    "K8S_IN_CLUSTER=false and KUBECONFIG, or SERVICEACCOUNTS_PATH"
)
"""A warning, since settings are also looked at where they are not for; the service cannot start with it."""


def is_required(required: Required, values: Values) -> bool:
    """Tell whether a setting that is needed in the case `required` is needed now."""
    match required:
        case "always":
            return True
        case "in operator mode":
            return values.get("nats_mode") is Mode.OPERATOR
        case "with SERVICEACCOUNTS_PATH":
            return values.get("serviceaccounts_path") is not None
    return False


def check_together(values: Values) -> list[str]:
    """Find the settings that do not go together."""
    problems = [
        f"{one.upper()}: is set together with {other.upper()}; keep one of them"
        for one, other in EXCLUSIVE
        if values.get(one) and values.get(other)
    ]
    for one, other in (TOGETHER, TOGETHER[::-1]):
        if values.get(one) and other in values and values[other] is None:
            problems.append(f"{other.upper()}: is not set, but {one.upper()} is; set both or none of them")
    if _none_of(values, "jwks_url", "jwks_path") and values.get("serviceaccounts_path"):
        problems.append(
            "JWKS_PATH: is not set, nor is JWKS_URL; one of them is required with SERVICEACCOUNTS_PATH, "
            "since the API server is then not asked"
        )
    return problems + _check_mode(values)


def _check_mode(values: Values) -> list[str]:
    problems = []
    mode, account = values.get("nats_mode"), values.get("nats_account")
    if mode is Mode.SERVER and values.get("nats_account_signing_key_file"):
        problems.append(
            "NATS_ACCOUNT_SIGNING_KEY_FILE: has no meaning in server mode, where NATS_SIGNING_KEY_FILE signs all; "
            "remove it, or set NATS_MODE=operator"
        )
    if mode is Mode.OPERATOR and account and not _is_account_key(account):
        problems.append(
            f"NATS_ACCOUNT: {quote(account)} is no valid public key of an account; in operator mode give the key "
            "(A… and 55 more characters) that 'nsc describe account' shows, or NATS_ACCOUNT in the callout.env of "
            "'callout bootstrap'"
        )
    return problems


def warn_of_names(
    names: Collection[str], known: Collection[str], aliases: Mapping[str, str], ignored: Mapping[str, str]
) -> list[str]:
    """Warn of names in the environment that are old, without meaning, clients', or close to one of ours."""
    warnings = []
    for old, new in aliases.items():
        if old in names:
            outcome = "both are set, and it is ignored" if new in names else "it is taken for that"
            warnings.append(f"{old}: is the old name of {new}; {outcome}")
    warnings += [f"{name}: is ignored, {why}; remove it" for name, why in ignored.items() if name in names]
    for name in sorted(CLIENTS.keys() & names):
        hint = f"; if it was meant for this one, set {CLIENTS[name]}" if CLIENTS[name] else ""
        warnings.append(f"{name}: is for clients, and no setting of this service{hint}")
    strangers = find_strangers(names - aliases.keys() - ignored.keys() - CLIENTS.keys(), known)
    for name, meant in strangers:
        hint = f"was {meant} meant?" if meant else "'callout config --help' lists those there are"
        warnings.append(f"{quote(name)[1:-1]}: is no setting of this service; {hint}")
    return warnings


def warn_of_values(values: Values, environ: Mapping[str, str]) -> list[str]:
    """Warn of valid settings that are probably not what is wanted."""
    warnings = []
    if values["nats_mode"] is Mode.SERVER and looks_public(values["nats_account"], Kind.ACCOUNT):
        warnings.append(
            "NATS_ACCOUNT: looks like a public key, but in server mode it is the account's name; with an operator's "
            "accounts set NATS_MODE=operator"
        )
    if _has_login(values["nats_url"]) and (values["nats_token"] or values["nats_user_creds_file"]):
        warnings.append(
            "NATS_URL: names a user, and NATS_TOKEN or NATS_USER_CREDS_FILE is set, too, which is used; remove one"
        )
    if values["nats_mode"] is Mode.SERVER and not _logs_in(values):
        warnings.append(
            "NATS_URL: names no user, so the servers would ask the service about itself; put its name, a colon, "
            "its password and @ before the host, or set NATS_TOKEN or NATS_USER_CREDS_FILE"
        )
    if "/" not in values["sa_annotation_prefix"]:
        warnings.append(
            f"SA_ANNOTATION_PREFIX: has no slash, so annotations are called "
            f"{values['sa_annotation_prefix']}allowed-pub-subjects; nats.io/ has one"
        )
    asks_cluster = values["k8s_in_cluster"] and values["serviceaccounts_path"] is None
    if asks_cluster and not environ.get("KUBERNETES_SERVICE_HOST"):
        warnings.append(NO_POD)
    return warnings


def _none_of(values: Values, *names: str) -> bool:
    return all(name in values and values[name] is None for name in names)


def _is_account_key(text: str) -> bool:
    try:
        kind, _ = decode_public(text)
    except ValueError:
        return False
    return kind is Kind.ACCOUNT


def _logs_in(values: Values) -> bool:
    """Tell whether the service says who it is; a certificate may say it, too (`verify_and_map`)."""
    ways = ("nats_token", "nats_user_creds_file", "nats_tls_cert_file")
    return _has_login(values["nats_url"]) or any(values[way] for way in ways)


def _has_login(url: Secret) -> bool:
    servers = split(url)
    return servers.user is not None or servers.token is not None
