"""The Celery app as Flower needs it: the broker and the queues, and none of the engine behind the tasks."""

from config.settings import Settings
from ess.wake import producer

app = producer(str(Settings().broker_url))
