"""What each child process may reach: what it works with, and neither database, keys nor audit log.

They read what strangers send. One that is taken over by a message has its calls, and no more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from centralita.core.landlock import landlock_version
from centralita.core.process import ProcessSpec, Sandbox
from centralita.server.config import Config


class Confinement:
    """Puts the children of one house into their sandboxes, unless `[limits] sandbox` is off."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._run = str(config.run_dir)
        self._on = config.limits.sandbox

    @property
    def trouble(self) -> str:
        """Why there are no sandboxes; empty when there are."""
        if not self._on:
            return "[limits] sandbox = no"
        if not landlock_version():
            return (
                "this kernel has no Landlock: it needs Linux 5.13 or later, with landlock among "
                "its security modules, and a container that lets it through"
            )
        return ""

    def media_worker(self, spec: ProcessSpec) -> ProcessSpec:
        """It plays prompts and drops recordings in the spool."""
        data = self._config.data
        prompts = (data / "cache" / "prompts", data / "prompts")
        for folder in prompts:
            # What is not there at its start it could not read later.
            folder.mkdir(parents=True, exist_ok=True)
        return self._within(
            spec,
            Sandbox(
                reads=(spec.argv[-1], *_texts(prompts)),
                drops=(str(self._config.recordings_dir / "spool"),),
                sockets=(self._run,),
                # Behind the edge it speaks UDP only.
                tcp=self._config.sip.edge == "none",
            ),
        )

    def recogniser(self, spec: ProcessSpec, models: Iterable[Path]) -> ProcessSpec:
        """It reads its models."""
        return self._within(spec, Sandbox(reads=_texts(models), sockets=(self._run,)))

    def edge(self, spec: ProcessSpec) -> ProcessSpec:
        """Its own files, those of TLS, and /etc: names of providers are resolved anew for ever, and
        the file that says how is replaced. It ends what a killed edge has left, by signals."""
        sip, data = self._config.sip, self._config.data
        files = (sip.tls_certificate, sip.tls_key, *(trunk.tls_ca for trunk in self._config.trunks))
        return self._within(
            spec,
            Sandbox(
                reads=("/etc", *_texts(file for file in files if file is not None)),
                writes=_texts((self._config.run_dir / "edge", data / "edge")),
                tcp=True,
                signals=True,
            ),
        )

    def _within(self, spec: ProcessSpec, sandbox: Sandbox) -> ProcessSpec:
        return replace(spec, sandbox=sandbox) if self._on else spec


def _texts(paths: Iterable[Path]) -> tuple[str, ...]:
    return tuple(str(path) for path in paths)
