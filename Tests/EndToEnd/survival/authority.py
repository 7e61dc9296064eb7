"""A control plane's authority, for control planes that tests play, and the requests of edges that they play."""

import datetime
import ipaddress
import uuid

from . import contract  # noqa: F401  brings the packages in
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DER, PEM = serialization.Encoding.DER, serialization.Encoding.PEM


def pem_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def certificate_request(key: ec.EllipticCurvePrivateKey) -> bytes:
    request = x509.CertificateSigningRequestBuilder().subject_name(_name("strait edge"))
    return request.sign(key, hashes.SHA256()).public_bytes(DER)


class Authority:
    def __init__(self):
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = (
            self._builder("an authority", self._key.public_key(), _name("an authority"))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.pem = self._certificate.public_bytes(PEM)
        self.der = self._certificate.public_bytes(DER)

    def server(self) -> tuple[bytes, bytes]:
        """A private key and a certificate for 127.0.0.1."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        certificate = self._issue(key.public_key(), name, ExtendedKeyUsageOID.SERVER_AUTH)
        return pem_of(key), certificate.public_bytes(PEM)

    def edge(self, request_der: bytes, region: str, edge: uuid.UUID) -> bytes:
        request = x509.load_der_x509_csr(request_der)
        name = x509.UniformResourceIdentifier(f"spiffe://strait/region/{region}/edge/{edge}")
        return self._issue(request.public_key(), name, ExtendedKeyUsageOID.CLIENT_AUTH).public_bytes(DER)

    def _issue(self, public_key, name: x509.GeneralName, usage) -> x509.Certificate:
        return (
            self._builder("issued", public_key, self._certificate.subject)
            .add_extension(x509.SubjectAlternativeName([name]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def _builder(self, name: str, public_key, issuer: x509.Name) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.timezone.utc)
        return (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(issuer)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=2))
            .not_valid_after(now + datetime.timedelta(days=30))
        )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
