"""What botocore raises, in the words of `storage.errors`, with a hint for the operator.

Two tables: what a store answers, by its error code or else by its HTTP status, and what keeps an answer from
coming. Messages name the operation, the place, the code and what to do; they never quote a request, which
carries a signature and the name of a key.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from storage.errors import ObjectNotFound, StoreError, StoreRejected, StoreUnavailable


class TakenAlready(StoreRejected):
    """The store refuses to overwrite: there is something under that key."""


class UnknownCondition(StoreRejected):
    """The store does not know `If-None-Match` with a put."""


class RangeUnsatisfiable(StoreRejected):
    """There are no bytes where the range begins."""


_Outcome = tuple[type[StoreError], str]

_KEYS = "check the access key and the secret key that boto3 finds (environment, ~/.aws, instance role)"
_LATER = "the store is busy or in trouble"
_DAMAGED = "the bytes that arrived are not those that were sent"
_REGION = "set `region` to the region of the bucket"
_DELETING = "allow these credentials to delete in this bucket, and see that no lock of it forbids that"
_CLOCK = "the clock of this machine is wrong, or that of the store: check NTP"

_CODES: dict[str, _Outcome] = {
    "InvalidAccessKeyId": (StoreRejected, f"the store does not know the access key: {_KEYS}"),
    "SignatureDoesNotMatch": (StoreRejected, f"the secret key is wrong: {_KEYS}"),
    "ExpiredToken": (StoreRejected, "the temporary credentials have expired: renew them"),
    "InvalidToken": (StoreRejected, "the session token is not accepted: renew the temporary credentials"),
    "RequestTimeTooSkewed": (StoreRejected, _CLOCK),
    "AccessDenied": (StoreRejected, "allow these credentials to get, put and list in this bucket"),
    "AccountProblem": (StoreRejected, "the store has closed the account to requests: ask its operator"),
    "AllAccessDisabled": (StoreRejected, "the store has closed the bucket to requests: ask its operator"),
    "NoSuchBucket": (StoreRejected, "there is no such bucket: create it, or correct `url`"),
    "InvalidBucketName": (StoreRejected, "no bucket can have that name: correct `url`"),
    "PermanentRedirect": (StoreRejected, _REGION),
    "AuthorizationHeaderMalformed": (StoreRejected, _REGION),
    "IllegalLocationConstraintException": (StoreRejected, _REGION),
    "InvalidObjectState": (StoreRejected, "the object is in an archive: have the store restore it first"),
    "InvalidStorageClass": (StoreRejected, "the store has no such class: correct `storage_class`"),
    "ObjectLockConfigurationNotFoundError": (
        StoreRejected,
        "the bucket has no Object Lock: create one that has, or remove `object_lock` and `legal_hold`",
    ),
    "KMS.NotFoundException": (StoreRejected, "there is no such key: correct `kms_key_id`"),
    "KMS.DisabledException": (StoreRejected, "the key is disabled: enable it, or correct `kms_key_id`"),
    "EntityTooLarge": (StoreRejected, "the store takes no object of that size: choose shorter segments"),
    "NoSuchKey": (ObjectNotFound, "there is no such object"),
    "PreconditionFailed": (TakenAlready, "the key is taken"),
    "ConditionalRequestConflict": (StoreUnavailable, "another writer is at this key"),
    "NotImplemented": (UnknownCondition, "the store does not know this kind of request"),
    "InvalidRange": (RangeUnsatisfiable, "the object is shorter than that"),
    "BadDigest": (StoreUnavailable, _DAMAGED),
    "InvalidDigest": (StoreUnavailable, _DAMAGED),
    "XAmzContentChecksumMismatch": (StoreUnavailable, _DAMAGED),
    "XAmzContentSHA256Mismatch": (StoreUnavailable, _DAMAGED),
    "IncompleteBody": (StoreUnavailable, "the connection broke off"),
    "RequestTimeout": (StoreUnavailable, "the store waited for data in vain: the connection is too slow"),
    "SlowDown": (StoreUnavailable, "the store asks for fewer requests"),
    "QuotaExceeded": (StoreUnavailable, "the quota of the bucket is used up: raise it or delete something"),
    "XMinioStorageFull": (StoreUnavailable, "the store is full"),
}
"""By error code: Amazon's documented ones, and those seen of other stores."""

_VAGUE = frozenset({"NotImplemented", "AccessDenied"})
"""Codes that do not tell what of a request is meant."""

_STATUSES: dict[int, _Outcome] = {
    HTTPStatus.MOVED_PERMANENTLY: (StoreRejected, _REGION),
    HTTPStatus.TEMPORARY_REDIRECT: (StoreUnavailable, "the store moves: it may work later"),
    HTTPStatus.UNAUTHORIZED: (StoreRejected, _KEYS),
    HTTPStatus.FORBIDDEN: (StoreRejected, f"{_KEYS}, and that they are allowed to do this"),
    HTTPStatus.NOT_FOUND: (
        StoreRejected,
        "nothing answers there: check `url`, and that `endpoint_url` is S3",
    ),
    HTTPStatus.METHOD_NOT_ALLOWED: (StoreRejected, "this is not S3: check `endpoint_url`"),
    HTTPStatus.REQUEST_TIMEOUT: (StoreUnavailable, _LATER),
    HTTPStatus.CONFLICT: (StoreUnavailable, "another request is at the same place"),
    HTTPStatus.PRECONDITION_FAILED: (TakenAlready, "the key is taken"),
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: (RangeUnsatisfiable, "the object is shorter than that"),
    HTTPStatus.TOO_MANY_REQUESTS: (StoreUnavailable, "the store asks for fewer requests"),
    HTTPStatus.NOT_IMPLEMENTED: (UnknownCondition, "the store does not know this kind of request"),
    HTTPStatus.INSUFFICIENT_STORAGE: (StoreUnavailable, "the store is full"),
}
"""By HTTP status, for codes that are not in the other table and for HEAD, whose answers have none."""

_NO_ANSWER: tuple[tuple[type[Exception], type[StoreError], str], ...] = (
    (boto.NoCredentialsError, StoreRejected, f"there are no credentials: {_KEYS}"),
    (boto.PartialCredentialsError, StoreRejected, f"the credentials are incomplete: {_KEYS}"),
    (boto.ProfileNotFound, StoreRejected, "there is no such profile in ~/.aws: correct AWS_PROFILE"),
    (boto.CredentialRetrievalError, StoreUnavailable, "the source of the credentials does not answer"),
    (boto.NoRegionError, StoreRejected, _REGION),
    (boto.InvalidRegionError, StoreRejected, "no region has such a name: correct `region`"),
    (boto.ParamValidationError, StoreRejected, "no bucket or key can have that name: correct `url`"),
    (
        boto.SSLError,
        StoreRejected,
        "no trusted TLS: for a private CA set AWS_CA_BUNDLE to its certificate file",
    ),
    (
        boto.ProxyConnectionError,
        StoreUnavailable,
        "the proxy does not answer: check HTTP_PROXY and HTTPS_PROXY",
    ),
    (
        boto.ConnectTimeoutError,
        StoreUnavailable,
        "the endpoint does not accept connections: check `endpoint_url`",
    ),
    (boto.EndpointConnectionError, StoreUnavailable, "the endpoint cannot be reached: check `endpoint_url`"),
    (boto.ReadTimeoutError, StoreUnavailable, "the store does not answer in time"),
    (boto.ConnectionClosedError, StoreUnavailable, "the store closed the connection"),
    (ResponseParserError, StoreRejected, "the answer is not S3: check `endpoint_url`"),
    (boto.IncompleteReadError, StoreUnavailable, "the connection broke off"),
    (boto.BotoCoreError, StoreUnavailable, "it may work later"),
    # Of errors in the middle of a body, botocore translates only some.
    (HTTPError, StoreUnavailable, "the connection broke off"),
    (ValueError, StoreRejected, "that is no endpoint: correct `endpoint_url`"),
)
"""What keeps an answer from coming; the first that fits counts."""


@contextmanager
def translated(operation: str, place: str, note: str = "") -> Iterator[None]:
    """Turn what botocore raises inside into a `StoreError` that names `operation` and `place`.

    `note` is added to a refusal of which the store does not say enough to know why.
    """
    try:
        yield
    except boto.ClientError as error:
        kind, why = _answered(dict(error.response), operation)
        said = error.response.get("Error", {}).get("Code") in _CODES.keys() - _VAGUE
        raise kind(f"{operation} {place}: {why}{'' if said else note}") from None
    except tuple(of for of, _, _ in _NO_ANSWER) as error:
        kind, hint = next((kind, hint) for of, kind, hint in _NO_ANSWER if isinstance(error, of))
        raise kind(f"{operation} {place}: {_cause(error)}: {hint}") from error


def _answered(response: dict[str, Any], operation: str) -> _Outcome:
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = str(response.get("Error", {}).get("Code", ""))
    if status == HTTPStatus.NOT_FOUND and operation in {"get", "head"} and code not in _CODES:
        return ObjectNotFound, "there is no such object"
    kind, hint = _CODES.get(code) or _STATUSES.get(status) or _by_hundred(status)
    if code == "AccessDenied" and operation == "delete":
        hint = _DELETING
    # An answer to HEAD has no body and so no code; botocore gives its status as one.
    said = f"{code} (HTTP {status})" if code and not code.isdigit() else f"HTTP {status}"
    return kind, f"{said}: {hint}"


def _by_hundred(status: int) -> _Outcome:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return StoreUnavailable, _LATER
    return StoreRejected, "the store refuses the request; its log may say more"


def _cause(error: BaseException) -> str:
    """What the operating system or TLS said beneath an error of botocore, else the name of that error."""
    at: BaseException | None = error
    while at is not None:
        if isinstance(at, OSError) and at.strerror:
            return at.strerror
        at = at.__cause__ or at.__context__
    return type(error).__name__
