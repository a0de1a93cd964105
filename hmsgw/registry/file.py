"""Endpoints written in a file: `{clinic-registry: ["http://10.0.5.9:8080"]}`, as YAML or JSON.

Knows: the file's form, and its faults by line. Refuses to know: when the file is read (`file_source.py`).
Strategy: pure; one faulty entry refuses the whole file, so that a half-saved one changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from hmsgw.config.endpoint import Endpoint
from hmsgw.config.faults import Fault, Refused, quoted
from hmsgw.config.places import Where
from hmsgw.config.text import read
from hmsgw.config.values import Listed, Mapped, Scalar, Value
from hmsgw.registry.source import unique

_EXAMPLE = "clinic-registry: [http://10.0.5.9:8080]"


def services_in(content: bytes, path: str) -> Mapping[str, tuple[Endpoint, ...]]:
    """Service name -> endpoints. Raises Refused with every fault.

    An empty file is one, too: it is what a file looks like while it is being written. `{}` says that there are none.
    """
    if not content.strip():
        raise Refused([Fault(Where(path, 1, 1), "the registry file is empty; write {} if there are no services")])
    faults: list[Fault] = []
    root = read(content, path, {}, faults)
    services: dict[str, tuple[Endpoint, ...]] = {}
    if isinstance(root, Mapped):
        for entry in root.entries:
            services[entry.key] = unique(_endpoints(entry.key, entry.value, faults))
    elif root is not None:
        faults.append(Fault(root.where, f"a registry file maps service names to lists of endpoints: {_EXAMPLE}"))
    if faults:
        raise Refused(faults)
    return services


def _endpoints(name: str, value: Value, faults: list[Fault]) -> list[Endpoint]:
    if not isinstance(value, Listed):
        faults.append(Fault(value.where, f"{quoted(name)} needs a list of endpoints: {_EXAMPLE}"))
        return []
    endpoints: list[Endpoint] = []
    for item in value.items:
        if not isinstance(item, Scalar):
            faults.append(Fault(item.where, "an endpoint is one URL: http://10.0.5.9:8080"))
            continue
        try:
            endpoints.append(Endpoint.parse(item.text))
        except ValueError as error:
            faults.append(Fault(item.where, f"{quoted(item.text)}: {error}"))
    return endpoints
