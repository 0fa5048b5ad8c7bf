"""The address of a store and the paths inside it: validated, normalised, free of secrets. Nothing is opened here."""

import os
import re
import sys
from pathlib import Path

from sumsquares.jobs import exits
from sumsquares.jobs.messages.masking import masked
from sumsquares.jobs.storage.bucket import SCHEMES
from sumsquares.jobs.storage.leftovers import TEMPORARY

_VALID = "valid are a local folder, " + ", ".join(f"{scheme}://bucket/prefix" for scheme in SCHEMES)
SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):/(/?)")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")


class AddressError(ValueError):
    """The address of a store, or a path inside it, is not a valid one."""

    exit_code = exits.USAGE


def checked_path(path: str) -> str:
    """Returns the path if it stays inside the store, and else raises AddressError."""
    if not path.isprintable() or "\\" in path or any(_is_odd(part) for part in path.split("/")):
        example = "write a relative one such as 'trials/a.parquet'"
        raise AddressError(f"{masked(path[:200])!r} is not a path inside a store: {example}")
    return path


def _is_odd(part: str) -> bool:
    return part in ("", ".", "..") or part.startswith(TEMPORARY)


def checked_root(address: str) -> str:
    """Returns a store's address in its normal form, or raises AddressError, which never repeats a secret."""
    scheme = SCHEME.match(address)
    is_signed = "?" in address and masked(address) != address
    if is_signed or re.search(r":[^@]*@", address) or (scheme and re.search(r"[@?#]|%(?:40|3[Aa]|3[Ff]|23)", address)):
        raise AddressError(
            "the store's address seems to hold credentials: leave them out, and give them through the "
            "environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, ...)"
        )
    if not address.strip() or not _as_text(address).isprintable():
        raise AddressError(f"the store's address is empty or holds control characters: {_VALID}")
    if not scheme:
        return _absolute(address)
    name = scheme[1].lower()
    if name not in SCHEMES or not scheme[2]:
        raise AddressError(f"a store's address can't begin with {scheme[0]!r}: {_VALID}")
    bucket, *prefix = address[scheme.end() :].rstrip("/").split("/")
    if not _BUCKET.fullmatch(bucket):
        raise AddressError(f"the {name}:// address of the store has no valid bucket name: {_VALID}")
    return f"{name}://{bucket}" + (f"/{checked_path('/'.join(prefix))}" if prefix else "")


def _as_text(address: str) -> str:
    """Returns a path as people read it: in a locale without UTF-8, Python holds its bytes as surrogates."""
    try:
        return os.fsencode(address).decode("utf-8", "replace")
    except UnicodeEncodeError:
        encoding = sys.getfilesystemencoding()
        raise AddressError(
            f"--store {address[:200]!a} cannot be a path in this locale ({encoding}): "
            "set PYTHONUTF8=1, or write another path"
        ) from None


def _absolute(address: str) -> str:
    try:
        return str(Path(address).expanduser().absolute())
    except RuntimeError:
        whose = address.split("/")[0]
        raise AddressError(f"--store {whose}: there is no such user, or no home; write the folder's path") from None
    except OSError as error:
        raise AddressError(
            f"--store {address}: the folder that this was started in can't be found ({error.strerror}); "
            "change to one that is there, or write a path that begins with /"
        ) from None
