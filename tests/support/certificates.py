"""Certificates for a test of TLS, made by the `openssl` command: an authority, a server, a client."""

from __future__ import annotations

import subprocess
from pathlib import Path

_NEW = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-batch")


class Certificates:
    """Files in a directory: `ca`, and pairs of certificate and key made by `issue`."""

    def __init__(self, directory: Path, name: str = "ca") -> None:
        self._directory = directory
        self.ca = directory / f"{name}.pem"
        self._ca_key = directory / f"{name}.key"
        directory.mkdir(exist_ok=True)
        self._openssl(
            *_NEW, "-x509", "-days", "2", "-subj", f"/CN={name}", "-keyout", self._ca_key, "-out", self.ca
        )

    def issue(self, name: str, subject: str = "localhost") -> tuple[Path, Path]:
        """Return a certificate of this authority, and its key."""
        certificate, key, request = (self._directory / f"{name}.{end}" for end in ("pem", "key", "csr"))
        extensions = self._directory / f"{name}.ext"
        extensions.write_text(f"subjectAltName=DNS:{subject}")
        self._openssl(*_NEW, "-subj", f"/CN={subject}", "-keyout", key, "-out", request)
        self._openssl(
            "x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self._ca_key, "-CAcreateserial",
            "-days", "2", "-extfile", extensions, "-out", certificate,
        )  # fmt: skip
        return certificate, key

    def _openssl(self, *arguments: str | Path) -> None:
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=30)
