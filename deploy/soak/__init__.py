"""Soaks: a real house in a temporary folder, treated badly, that must keep its promises.

`python manage.py soak NAME` runs one. See `house` for what can be done to it and `__main__` for
how a soak is written.
"""
