"""Recordings in a bucket: names, manifests, stores and the catalogue over them.

Usable without the daemon: everything that gives audio back needs this package and a bucket, nothing else.
It must not know `recorder`.
"""
