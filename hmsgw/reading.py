"""What a gateway may run: the candidate in a file, or the reasons to refuse it.

Knows: the order of the questions: may anything unsigned run here, is the file sound, does it fit this host and the
command line. Refuses to know: the reactor and what runs now. Strategy: one blocking call, for the start and for every
reload alike; each refusal says the exact next command.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from hmsgw.chain.prepare import Prepared
from hmsgw.config.faults import Refused
from hmsgw.config.model import Config
from hmsgw.control.options import DEFAULT_PORT, StartOptions, UsageFault
from hmsgw.control.reload import NotTaken
from hmsgw.generation import Candidate, read_candidate
from hmsgw.governance import policy
from hmsgw.transport.selfsigned import self_signed


@dataclass(slots=True)
class Reading:
    """previous: what runs now; parts of it that did not change are kept."""

    options: StartOptions
    environ: Mapping[str, str]
    previous: Prepared | None = None

    def first(self) -> Candidate:
        """What to start with. Raises NotTaken, or UsageFault when the file and the command line contradict."""
        path = self.options.config
        candidate = self._read(path)
        if path is not None and (contradiction := self._contradiction(path, candidate.config)):
            raise UsageFault(contradiction)
        return candidate

    def again(self, path: str) -> Candidate:
        """For a reload. path: absolute. Raises NotTaken."""
        candidate = self._read(path)
        if contradiction := self._contradiction(path, candidate.config):
            raise NotTaken([contradiction])
        return candidate

    def _read(self, path: str | None) -> Candidate:
        options = self.options
        if path is not None and (unsigned := policy.refusal_of_unsigned(path, dev=options.dev)):
            raise NotTaken([unsigned], policy.next_command(path, options.port))
        try:
            candidate = read_candidate(
                path,
                port=DEFAULT_PORT if options.port is None else options.port,
                dev=options.dev,
                environ=self.environ,
                state_dir=options.state_dir,
                self_signed=lambda: self_signed(options.state_dir),
                previous=self.previous,
            )
        except Refused as refused:
            advice = shlex.join(["hms-gateway", "check", path]) if path is not None else ""
            raise NotTaken([str(fault) for fault in refused.faults], advice) from None
        if foreign := policy.refusal_of_environment(candidate.config.environment, options.environment):
            raise NotTaken([f"{path}: {foreign}"])
        return candidate

    def _contradiction(self, path: str, config: Config) -> str | None:
        if self.options.port is None or not config.listeners:
            return None
        return (
            f"{config.listeners[0].where}: the configuration has `listeners:`, so --port {self.options.port} has no "
            "meaning; leave one of them out"
        )
