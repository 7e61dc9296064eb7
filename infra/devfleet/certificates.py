"""A development authority and the certificates that it signs, made with the openssl command. For loopback
only."""

import pathlib
import subprocess

from .workplace import FleetError

NAMES = "DNS:localhost,IP:127.0.0.1,IP:::1"
WEEK = 7 * 24 * 3600


class DevelopmentAuthority:
    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.certificate = folder / "ca.pem"
        self._key = folder / "ca-key.pem"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not _lasts(self.certificate):
            _make_key(self._key)
            _openssl(
                "req",
                "-x509",
                "-new",
                "-key",
                self._key,
                "-sha256",
                "-days",
                "365",
                "-out",
                self.certificate,
                "-subj",
                "/CN=Strait development authority",
                "-addext",
                "basicConstraints=critical,CA:TRUE,pathlen:0",
                "-addext",
                "keyUsage=critical,keyCertSign,cRLSign",
            )
            for stale in folder.glob("*-certificate.pem"):
                stale.unlink()

    def issue(self, name: str, names: str = NAMES) -> tuple[pathlib.Path, pathlib.Path]:
        """A certificate and its private key; those made before are used while they last."""
        certificate, key = self.folder / f"{name}-certificate.pem", self.folder / f"{name}-key.pem"
        if _lasts(certificate) and key.exists():
            return certificate, key
        _make_key(key)
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.extensions"
        extensions.write_text(
            f"subjectAltName={names}\nbasicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\n"
            "keyUsage=critical,digitalSignature\nauthorityKeyIdentifier=keyid\n"
        )
        _openssl("req", "-new", "-key", key, "-subj", f"/CN={name}", "-out", request)
        _openssl(
            "x509",
            "-req",
            "-in",
            request,
            "-CA",
            self.certificate,
            "-CAkey",
            self._key,
            "-CAcreateserial",
            "-days",
            "90",
            "-sha256",
            "-extfile",
            extensions,
            "-out",
            certificate,
        )
        request.unlink()
        extensions.unlink()
        return certificate, key


def _make_key(path: pathlib.Path) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path)


def _lasts(certificate: pathlib.Path) -> bool:
    if not certificate.exists():
        return False
    check = ["openssl", "x509", "-in", str(certificate), "-noout", "-checkend", str(WEEK)]
    return subprocess.run(check, capture_output=True).returncode == 0


def _openssl(*arguments) -> None:
    result = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True)
    if result.returncode != 0:
        raise FleetError(f"openssl {arguments[0]} failed: {result.stderr.strip()}")
