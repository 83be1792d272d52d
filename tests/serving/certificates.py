"""Certificates for servers and clients, made on the spot, and the authorities that sign them."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_SIGNS = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)
"""Python 3.13 takes no authority that does not say what its key is for."""


class Pair(NamedTuple):
    """Files with a certificate and its private key, in PEM."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates for a day.

    Args:
        folder: where the files are put.
        name: of it.
        days_ago: when that day began; now where 0.

    Attributes:
        certificate: file with its own.
    """

    def __init__(self, folder: Path, name: str = "authority", days_ago: int = 0) -> None:
        self._folder = folder
        self._begins = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=days_ago, hours=1)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _called(name)
        builder = (
            self._begun(self._name, self._key)
            .add_extension(x509.BasicConstraints(True, None), critical=True)
            .add_extension(_SIGNS, critical=True)
        )
        self.certificate = folder / f"{name}.pem"
        self.certificate.write_bytes(_pem(builder.sign(self._key, hashes.SHA256())))

    def pair(self, name: str, *hosts: str) -> Pair:
        """A certificate of somebody, a server at these hosts (names or addresses) where any are given."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._begun(_called(name), key)
        if hosts:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_host(each) for each in hosts]), critical=False
            )
        pair = Pair(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        pair.certificate.write_bytes(_pem(builder.sign(self._key, hashes.SHA256())))
        pair.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return pair

    def _begun(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._begins)
            .not_valid_after(self._begins + datetime.timedelta(days=1, hours=1))
            # Python 3.13 takes no certificate that does not name its authority's key.
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )


def _called(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _host(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
