"""Tells people that a night needs them: log, chat or mail. What fails here changes nothing else."""

from pipelines.notify.message import Message, quarantine, refusal
from pipelines.notify.telling import Notifier, open_notifier, tell

__all__ = ["Message", "Notifier", "open_notifier", "quarantine", "refusal", "tell"]
