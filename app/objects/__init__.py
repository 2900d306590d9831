"""Where whole files lie under keys: on a disk or in an S3 bucket. `app/artifacts.py` chooses, and gives them names."""

from app.objects.content import Content, Told, untold
from app.objects.disk import Disk
from app.objects.objects import Note, Objects, Room, Unfit

__all__ = ["Content", "Disk", "Note", "Objects", "Room", "Told", "Unfit", "untold"]
