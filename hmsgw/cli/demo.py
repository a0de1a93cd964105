"""`hms-gateway demo`: the tutorial's two routes, with everything that they need, in one process.

Knows: what is put together and what there is to try. Refuses to know: how any part works; the gateway is the one that
`hms-gateway start` runs. Strategy: a temporary folder with the configuration and the state, loopback ports that are
free, the registry named by $REG_URL as the tutorial says; Ctrl-C ends all of it.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import tempfile
import time
from os.path import join
from typing import Any

from hmsgw.cli.demo_registry import Registry
from hmsgw.cli.demo_services import Clinics, Identity, QuietSite
from hmsgw.cli.ending import EXIT_USAGE, Failed
from hmsgw.cli.token import mint
from hmsgw.control.options import UsageFault, start_options
from hmsgw.control.state import StateFolder

ROUTES = """\
# file: routes.yaml
routes:
  - path: /login
    service: identity          # service name from the Spine
    plugins: [jwt, rate-60ip]

  - path: /clinics/*
    service: clinic-registry
    plugins: [jwt, quota-1000user]
"""

_TOKEN_S = 24 * 3600

_GUIDE = """\
hms-gateway demo: two services, a registry and a gateway, in this process. Ctrl-C ends it and removes {folder}

  gateway    https://localhost:{port}
  metrics    http://127.0.0.1:{admin_port}/metrics
  registry   {registry}/v1/health/service/clinic-registry
  routes     {folder}/routes.yaml
             (the tutorial's; it runs unsigned, as with --dev, because signatures are not in this version)

Try in another terminal (-k: the certificate is self-signed):

  TOKEN={token}
  curl -k -H "Authorization: Bearer $TOKEN" https://localhost:{port}/clinics/85123
  curl -k https://localhost:{port}/clinics/85123        # 401: no token
  for i in $(seq 61); do curl -k -s -o /dev/null -w '%{{http_code}}\\n' \\
      -H "Authorization: Bearer $TOKEN" https://localhost:{port}/login; done   # 60 a minute with those above, then 429
  curl -s http://127.0.0.1:{admin_port}/metrics | grep gateway_requests_total

Put a plugin file into {folder}/plugins, name it in routes.yaml, then:

  hms-gateway reload {folder}/routes.yaml --state-dir {folder}/state

Each request is a line of JSON from here on.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Only where to listen."""
    parser.add_argument("--port", metavar="PORT", default="8080", help="port of the gateway [8080]")
    parser.add_argument(
        "--admin-port", metavar="PORT", default=None, help="port of /metrics [9180, or any that is free]"
    )


def run(said: argparse.Namespace) -> int:
    """Until Ctrl-C."""
    from hmsgw import tap

    with tempfile.TemporaryDirectory(prefix="hms-gateway-demo-") as folder:
        os.mkdir(join(folder, "plugins"))
        config, state_dir = join(folder, "routes.yaml"), join(folder, "state")
        with open(config, "w", encoding="utf-8") as file:
            file.write(ROUTES)
        admin_port = said.admin_port or str(_free_port(9180))
        words = {
            "port": said.port, "admin-port": admin_port, "config": config, "state-dir": state_dir, "dev": True
        }  # fmt: skip
        try:
            options = start_options(words, os.environ)
        except UsageFault as fault:
            raise Failed(str(fault), EXIT_USAGE) from None
        registry = _start_services(tap.choose_reactor(os.environ))
        os.environ["REG_URL"] = registry
        for name in [name for name in os.environ if name.startswith("HMSGW_JWT_")]:
            del os.environ[name]  # the token below is of the development key

        def explain(listeners: list[tuple[str, int]]) -> None:
            secret = StateFolder(state_dir).dev_secret()
            print(
                _GUIDE.format(
                    folder=folder,
                    port=listeners[0][1],
                    admin_port=admin_port,
                    registry=registry,
                    token=mint(secret, "demo", [], time.time(), _TOKEN_S),
                ),
                flush=True,
            )

        code = tap.run(options, announce=explain)
        print("hms-gateway demo: stopped", file=sys.stderr)
        return code


def _start_services(reactor: Any) -> str:
    """Listen. Returns the registry's URL."""
    ports = {}
    for name, page in (("clinic-registry", Clinics()), ("identity", Identity())):
        ports[name] = reactor.listenTCP(0, QuietSite(page, reactor), interface="127.0.0.1").getHost().port
    site = QuietSite(Registry(reactor, ports), reactor)
    return f"http://127.0.0.1:{reactor.listenTCP(0, site, interface='127.0.0.1').getHost().port}"


def _free_port(wanted: int) -> int:
    """`wanted` if nobody listens there, else one that is free now."""
    for port in (wanted, 0):
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
            found: int = sock.getsockname()[1]
            return found
    raise Failed("there is no free port on 127.0.0.1; stop a program that listens there")
