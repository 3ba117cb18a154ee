"""The Celery side: the app, its queues, and one thin task for each thing that a deadline wakes."""
