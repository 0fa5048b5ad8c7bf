"""The seal of a stored spec: any changed byte is found, and a copy of the file is a valid spec."""

from __future__ import annotations

import pytest
from specs import SMALL

from sumsquares.jobs.spec.job_spec import SpecError, load_spec, parse_stored
from sumsquares.jobs.spec.seal_line import SealError, is_sealed, seal_text, unsealed, without_seal

TEXT = b'name = "x"  # a comment\n\n[[grid]]\nseeds = 4\n'


@pytest.mark.parametrize("text", [TEXT, TEXT.rstrip(b"\n"), TEXT.replace(b"\n", b"\r\n"), b"", b"#\n"])
def test_the_text_above_a_seal_is_the_text(text):
    """The text comes back, with a final newline if it lacked one."""
    sealed = seal_text(text)
    assert is_sealed(sealed)
    assert unsealed(sealed) in (text, text + b"\n")
    assert without_seal(sealed) == unsealed(sealed)
    assert unsealed(text) == text


def test_every_flip_of_every_byte_is_found():
    """This holds for bytes of the text, of the seal, and of both line ends."""
    sealed = seal_text(TEXT)
    for at, byte in enumerate(sealed):
        for other in {byte ^ 1, byte ^ 0x80, 10, 32, 0, 35} - {byte}:
            with pytest.raises(SealError):
                unsealed(sealed[:at] + bytes([other]) + sealed[at + 1 :])


def test_what_is_cut_off_within_the_seal_or_follows_it_is_found():
    """If all of it is cut off, only the record beside it can tell."""
    sealed = seal_text(TEXT)
    for end in range(len(TEXT) + 2, len(sealed)):
        with pytest.raises(SealError):
            unsealed(sealed[:end])
    for more in (b"\n", b" ", b"seeds = 5\n", b"# x\n", sealed):
        with pytest.raises(SealError):
            unsealed(sealed + more)
    assert unsealed(sealed[: len(TEXT)]) == TEXT


def test_a_copy_of_a_stored_spec_is_a_spec(tmp_path):
    """This also holds for an edited copy: its seal is dropped, valid or not."""
    path = tmp_path / "copy.toml"
    sealed = seal_text(SMALL.encode())
    path.write_bytes(sealed)
    assert load_spec(path).source_text == SMALL.encode()
    path.write_bytes(sealed.replace(b"seeds = 3", b"seeds = 4"))
    assert load_spec(path).source_text == SMALL.replace("seeds = 3", "seeds = 4").encode()
    with pytest.raises(SpecError, match="damaged, its SHA-256 is not the one that its last line states"):
        parse_stored(path.read_bytes(), "job.toml")
