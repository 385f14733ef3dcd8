"""What can go wrong with a store, told apart by what the caller should do.

StoreError
+-- ObjectNotFound     there is no object of that key
+-- StoreUnavailable   try again later: network, time-out, 5xx, throttling
+-- StoreRejected      trying again will not help: credentials, permissions, a bad bucket
    +-- ObjectConflict another object has that key already, with other content
    +-- NotOffered     no store of this kind does such a thing
"""


class StoreError(Exception):
    """A store did not do what it was asked. The message names operation, key and store, never a secret."""


class ObjectNotFound(StoreError):
    """There is no object of that key."""


class StoreUnavailable(StoreError):
    """The store could not be reached or is overloaded; the same call may succeed later."""


class StoreRejected(StoreError):
    """The store refused; the same call will be refused again until somebody changes something."""


class ObjectConflict(StoreRejected):
    """The key is taken by other content. Nothing was overwritten."""


class NotOffered(StoreRejected):
    """The store has no such thing: a folder, for one, has no links. The message says what to use instead."""
