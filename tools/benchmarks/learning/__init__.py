"""Does quasi-dense association learn? QDTrack from scratch on rendered videos, against rivals."""
