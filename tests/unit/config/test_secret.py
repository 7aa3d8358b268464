"""The file with the password of Redis."""

from __future__ import annotations

import errno
import os
import traceback
from pathlib import Path
from typing import NoReturn

import pytest

from tqd.config.parse import parse
from tqd.config.secret import check_tls_files, read_password, read_signing_keys
from tqd.errors import ConfigError, ConfigProblem


def password(file: Path | str = "", credentials: Path | str = "", url: str = "redis://h") -> str:
    config = parse([], {}, {"redis.url": url, "redis.password_file": str(file)}, 2)
    return read_password(config, {"CREDENTIALS_DIRECTORY": str(credentials)} if credentials else {})


def refusal(file: Path | str = "", credentials: Path | str = "") -> ConfigProblem:
    with pytest.raises(ConfigError) as caught:
        password(file, credentials)
    assert "geheim" not in "".join(traceback.format_exception(caught.value))
    (problem,) = caught.value.problems
    return problem


def _forbidden(*_: object) -> NoReturn:
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def test_without_a_file_and_without_systemd_there_is_no_password() -> None:
    assert password() == ""


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"geheim", "geheim"),
        (b"geheim\n", "geheim"),
        (b"geheim\r\nnot this\n", "geheim"),
        (b" ge heim \n", " ge heim "),
        (b"\xef\xbb\xbfgeheim\n", "geheim"),
        ("größer\n".encode(), "größer"),
        (b"x" * 4095 + b"\n", "x" * 4095),
    ],
)
def test_the_first_line_is_the_password(tmp_path: Path, content: bytes, expected: str) -> None:
    (tmp_path / "pw").write_bytes(content)
    assert password(tmp_path / "pw") == expected


def test_the_credential_is_found_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "redis-password").write_text("handed over\n")
    assert password(credentials=tmp_path) == "handed over"


def test_credentials_for_something_else_are_nobodys_business(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("x")
    assert password(credentials=tmp_path) == ""
    assert password(credentials=tmp_path / "gone") == ""


def test_an_empty_directory_of_credentials_is_not_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "redis-password").write_text("not meant")
    monkeypatch.chdir(tmp_path)
    assert read_password(parse([], {}, {}, 2), {"CREDENTIALS_DIRECTORY": ""}) == ""


def test_the_named_file_is_used_before_the_credential(tmp_path: Path) -> None:
    (tmp_path / "redis-password").write_text("handed over")
    (tmp_path / "pw").write_text("named")
    assert password(tmp_path / "pw", tmp_path) == "named"


@pytest.mark.parametrize("url", ["redis://:own@h", "redis://me:own@h", "unix:///s.sock?password=own"])
def test_a_url_with_a_password_needs_no_file(url: str) -> None:
    assert password("/nowhere/pw", url=url) == ""


@pytest.mark.parametrize("url", ["redis://me@h", "unix:///s.sock?db=1", "redis://h?password="])
def test_a_url_without_a_password_gets_that_of_the_file(tmp_path: Path, url: str) -> None:
    (tmp_path / "pw").write_text("geheim")
    assert password(tmp_path / "pw", url=url) == "geheim"


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"", "is empty"),
        (b"\ngeheim", "is empty"),
        (b"geheim\xff\n", "is not UTF-8"),
        (b"geheim" * 1000, "is larger than 4,096 bytes"),
    ],
)
def test_a_file_that_holds_no_password_is_refused(tmp_path: Path, content: bytes, rule: str) -> None:
    (tmp_path / "redis-password").write_bytes(content)
    problem = refusal(tmp_path / "redis-password")
    assert (problem.origin, problem.value) == ("flag redis.password_file", str(tmp_path / "redis-password"))
    assert problem.rule == rule
    assert "first line must be the password" in problem.hint
    assert refusal(credentials=tmp_path).origin == "environment CREDENTIALS_DIRECTORY"


def test_a_missing_file_is_refused_with_its_path(tmp_path: Path) -> None:
    problem = refusal(tmp_path / "gone")
    assert problem.value.endswith("/gone")
    assert problem.rule == "cannot be read: No such file or directory"


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pw").touch(mode=0)
    with monkeypatch.context() as patch:
        if os.geteuid() == 0:  # root may read every file
            patch.setattr(os, "open", _forbidden)
        assert refusal(tmp_path / "pw").rule == "cannot be read: Permission denied"


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert refusal(tmp_path / "fifo").rule == "is not a regular file"
    assert refusal("/dev/zero").rule == "is not a regular file"
    assert refusal(tmp_path).rule == "is a directory, not a file"


# -- signing keys ---------------------------------------------------------------------------------


def signing_keys(file: Path | str = "", credentials: Path | str = "") -> tuple[bytes, ...]:
    config = parse([], {}, {"security.signing_keys_file": str(file)}, 2)
    return read_signing_keys(config, {"CREDENTIALS_DIRECTORY": str(credentials)} if credentials else {})


def test_without_a_file_and_without_a_credential_nothing_is_signed(tmp_path: Path) -> None:
    assert signing_keys() == ()
    assert signing_keys(credentials=tmp_path) == ()


def test_each_line_of_the_file_is_a_key_but_for_remarks(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_bytes(b"# the new one\n" + b"n" * 16 + b"\r\n\n  " + b"o" * 64 + b"  \n")
    assert signing_keys(file) == (b"n" * 16, b"o" * 64)


def test_the_keys_that_systemd_hands_over_are_found_and_a_named_file_wins(tmp_path: Path) -> None:
    (tmp_path / "signing-keys").write_bytes(b"c" * 20)
    assert signing_keys(credentials=tmp_path) == (b"c" * 20,)
    (tmp_path / "named").write_bytes(b"d" * 20)
    assert signing_keys(tmp_path / "named", tmp_path) == (b"d" * 20,)


@pytest.mark.parametrize(
    ("content", "rule"),
    [(b"geheim\n", "signing key 1 is of 6 bytes"), (b"# none\n", "0 signing keys"), (None, "cannot be read")],
)
def test_a_file_without_usable_keys_is_refused_and_not_shown(
    tmp_path: Path, content: bytes | None, rule: str
) -> None:
    file = tmp_path / "keys"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        signing_keys(file)
    (problem,) = caught.value.problems
    assert problem.key == "security.signing_keys_file" and rule in problem.rule
    assert "geheim" not in "".join(traceback.format_exception(caught.value))


# -- files for TLS --------------------------------------------------------------------------------


def tls(url: str = "rediss://h", **files: object) -> list[ConfigProblem]:
    flags = {"redis.url": url} | {f"redis.{name}": str(path) for name, path in files.items()}
    try:
        check_tls_files(parse([], {}, flags, 2))
    except ConfigError as error:
        return error.problems
    return []


def test_files_for_tls_must_be_readable_and_all_that_are_not_are_told(tmp_path: Path) -> None:
    there = tmp_path / "ca.pem"
    there.write_text("-")
    assert tls() == tls(ca_file=there) == []
    problems = tls(ca_file=there, cert_file=tmp_path, key_file=tmp_path / "none")
    assert [problem.key for problem in problems] == ["redis.cert_file", "redis.key_file"]


def test_files_for_tls_beside_a_url_without_it_are_refused(tmp_path: Path) -> None:
    there = tmp_path / "ca.pem"
    there.write_text("-")
    (problem,) = tls("redis://h", ca_file=there)
    assert "redis.url is not rediss://" in problem.rule
