"""Does the tracker of single objects learn?"""
