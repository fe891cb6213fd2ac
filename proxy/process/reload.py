"""Takes up an edited configuration while the replica serves; one with mistakes changes nothing."""

from proxy.app.configuration import INVALID
from proxy.app.names import build_vocabulary
from proxy.metrics.exporter import Exporter
from proxy.metrics.log import Log
from proxy.metrics.recorder import Recorder
from proxy.process.banner import say
from proxy.process.replica import Replica
from proxy.settings import needs_restart


class Reloading:
    """One per parent: everybody who works by the configuration is told here of the next one."""

    def __init__(self, replica: Replica, exporter: Exporter, recorder: Recorder, log: Log) -> None:
        self._replica = replica
        self._exporter = exporter
        self._recorder = recorder
        self._log = log

    def edited(self) -> None:
        """The file changed; nothing to do when a SIGHUP came first."""
        running = self._replica.running
        if running.order.text() != running.tried:
            self.reload()

    def reload(self) -> None:
        """Take up the file as it is now; keep what is running when it has mistakes."""
        replica = self._replica
        try:
            replica.running.reload()
        except INVALID as error:
            self.refused(str(error))
            return
        configuration = replica.running.configuration
        fixed = needs_restart(replica.running.started, configuration.settings)
        replica.store.take_up(configuration)
        replica.last_days.take_up(configuration)
        vocabulary = build_vocabulary(configuration.settings, configuration.catalogue)
        self._exporter.learn(vocabulary)
        self._recorder.learn(vocabulary)
        replica.crew.run(replica.running.blueprint)
        self._recorder.reloaded(ok=True)
        self._log.event("reloaded", needs_restart=", ".join(fixed))
        for warning in configuration.warnings:
            say(f"warning: {warning}")
        if fixed:
            say(f"The new configuration is running, but not its {', '.join(fixed)}: that takes a restart.")

    def refused(self, why: str) -> None:
        """It cannot be run, here or by a worker."""
        self._recorder.reloaded(ok=False)
        self._log.event("reload_refused", "error", why=why)
        say(f"{why}\nThe running configuration is kept.")
