"""Does the point tracker learn? Track-On from scratch on rendered videos, against rivals."""
