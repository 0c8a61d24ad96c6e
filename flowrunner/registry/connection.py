"""A connection to an OCI registry, over oras: with the login that it asks for, without tries that hide its silence."""

from __future__ import annotations

import inspect
from typing import Any, cast

import oras.container
import oras.provider
import requests

from flowrunner.registry.logins import kept_logins
from flowrunner.registry.reference import Access, Reference

TITLE = "org.opencontainers.image.title"
"""The annotation that names a file: OCI image specification, annotations.md."""

TIMEOUT = (10, 120)
"""Seconds to connect, and between two pieces."""


class Provider(oras.provider.Registry):  # type: ignore[misc] # oras has no types
    """oras without its retries, which would hide for two minutes that nobody answers."""

    do_request = inspect.unwrap(oras.provider.Registry.do_request)


def connect(reference: Reference, access: Access) -> tuple[Provider, Any]:
    """What asks the registry of `reference`, and oras's name for what is asked for.

    Raises:
        requests.RequestException: the registry does not answer, or is not to be trusted.
        ValueError: it wants a login, and there is none.
    """
    verify = access.cacert or True
    asked = requests.get(access.url(reference), timeout=TIMEOUT, verify=verify)
    basic = asked.headers.get("Www-Authenticate", "").lower().startswith("basic")
    insecure = access.plain(reference)
    provider = Provider(insecure=insecure, tls_verify=verify, auth_backend="basic" if basic else "token")
    container = oras.container.Container(f"{reference.repository}:{reference.tag or 'latest'}")
    container.registry = reference.registry
    container.digest = reference.digest
    if access.username is not None:
        provider.auth.set_basic_auth(access.username, access.password or "")
    else:
        provider.auth._auth_config = kept_logins()
        provider.auth.load_configs(container)
    if basic and not hasattr(provider.auth, "_basic_auth"):  # oras would fail in another way
        raise ValueError("Unauthorized: no authentication is known for it")
    provider.session.request = _timed(provider.session.request)
    return provider, container


def cause(error: BaseException) -> str:
    """The innermost reason, in the system's words; of a certificate what is wrong with it."""
    while (inner := error.__cause__ or error.__context__ or getattr(error, "reason", None)) and inner is not error:
        if not isinstance(inner, BaseException):
            break
        error = inner
    return getattr(error, "verify_message", None) or getattr(error, "strerror", None) or str(error)


def _timed(request: Any) -> Any:
    def timed(*args: Any, **kwargs: Any) -> requests.Response:
        return cast("requests.Response", request(*args, **{"timeout": TIMEOUT, **kwargs}))

    return timed
