"""Detached signatures of single files, held against trusted keys by `cryptography` alone: a device has nothing else.

What is believed here, `models.signatures.trusted` believes too, which asks `model_signing`. What `model_signing` and
`hotswap package --sign` make today of a file is believed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID

from models.errors import ComponentFault, ComponentRefused, one_line
from models.printable import printable
from models.reference import DIGEST_DIGITS
from models.signatures.keys import CURVES, checked_pem, holds_certificates, holds_key, public_key, subject_of
from models.signatures.statements import StatementMalformed, from_base64, read_bundle

_HASHES: dict[str, hashes.HashAlgorithm] = dict(
    zip(CURVES, (hashes.SHA256(), hashes.SHA384(), hashes.SHA512()), strict=True)
)
_MOST_CERTIFICATES = 10
"""In one signature: more make a search for a way among them long."""


@dataclass(frozen=True, slots=True)
class SignedDigest:
    """What a trusted key says of a file.

    Attributes:
        sha256: of the one file that is signed: all 64 hexadecimal digits.
        signer: who signed it, for people.
    """

    sha256: str
    signer: str


class DeviceKeys:
    """Holds signatures against the keys that are trusted. Threads may ask it side by side.

    Certificates are judged as of the moment at which the signer's own begins to be valid, as `model_signing` does; this
    machine's clock is not asked. It may be wrong; a signature does not tell when it was made; and a device that comes
    back late must still be able to take a component in. So an authority must have been valid when the certificate that
    it gave began, and its end ends no trust: whoever is no longer to be believed is taken from the trusted keys.

    Args:
        pems: a public key, or certificates of authorities, in PEM, each; at least one.

    Raises:
        KeyUnusable: one holds neither.
    """

    def __init__(self, pems: Sequence[str]) -> None:
        checked = [checked_pem(f"the trusted key {number}", pem) for number, pem in enumerate(pems, 1)]
        self._keys = dict(public_key(pem) for pem in checked if holds_key(pem))
        self._authorities = [
            certificate
            for pem in checked
            if holds_certificates(pem)
            for certificate in x509.load_pem_x509_certificates(pem.encode())
        ]

    def signed_digest(self, signature: str | bytes | None) -> SignedDigest:
        """What a signature signs, if one of these keys made it, or one whose certificate one of these authorities gave.

        Args:
            signature: a Sigstore bundle; None where there is nothing.

        Raises:
            ComponentRefused: `unsigned` or `bad_signature`.
        """
        if signature is None:
            raise ComponentRefused(
                ComponentFault.UNSIGNED,
                "nobody signed it, and only components signed by a trusted key are taken; package it with --sign",
            )
        try:
            bundle = read_bundle(signature)
            key, signer = self._key_of(bundle.material)
            key.verify(bundle.signature, bundle.signed_bytes, ec.ECDSA(_HASHES[key.curve.name]))
            return SignedDigest(bundle.sha256(), signer)
        except InvalidSignature as error:
            raise _bad("it was changed after it was made, or is not by the key that it names") from error
        except StatementMalformed as error:
            raise _bad(str(error)) from error

    def _key_of(self, material: dict[str, Any]) -> tuple[ec.EllipticCurvePublicKey, str]:
        """The key that a signature says it is by, which is trusted, and whose that is.

        Raises:
            ComponentRefused: `bad_signature`; it is by none that is trusted.
        """
        match material:
            case {"publicKey": {"hint": str(hint), **more}, **rest} if not more and _adds_nothing(rest):
                if (pem := self._keys.get(hint)) is None:
                    named = printable(hint[:DIGEST_DIGITS])
                    raise _bad(f"it is by the key sha256:{named}, which is none of the trusted")
                return _elliptic(serialization.load_pem_public_key(pem)), f"the key sha256:{hint[:DIGEST_DIGITS]}"
            case {"x509CertificateChain": {"certificates": list(encoded), **more}, **rest} if (
                not more and _adds_nothing(rest)
            ):
                if not self._authorities:
                    raise _bad("it is by a certificate, and no authority is trusted")
                return self._key_of_certificates(encoded)
            case {"certificate": _}:
                raise _bad("it was made without a key, by an identity; sign it with a key or a certificate")
            case _:
                raise _bad("it does not say which key made it; sign it again by model-signing 1.0 or later")

    def _key_of_certificates(self, encoded: list[Any]) -> tuple[ec.EllipticCurvePublicKey, str]:
        """The key of the first certificate, which one of the authorities gave, or others that they gave.

        Raises:
            ComponentRefused: `bad_signature`; none of them did.
        """
        if not 0 < len(encoded) <= _MOST_CERTIFICATES:
            raise _bad(f"it brings {len(encoded)} certificates, and 1 to {_MOST_CERTIFICATES} are possible")
        try:
            ders = [_der(each) for each in encoded]
            own, *others = map(x509.load_der_x509_certificate, ders)
            self._require_given(own, others)
            if not _signs(own):
                raise _bad("its certificate is for something else than signing")
            return _elliptic(own.public_key()), f"the certificate of {subject_of(ders[0])}"
        except ComponentRefused:
            raise
        except Exception as error:  # hostile bytes make parsers raise whatever they like
            raise _bad(f"its certificate is not believed: {printable(one_line(error))}") from error

    def _require_given(self, own: x509.Certificate, others: list[x509.Certificate]) -> None:
        """Refuses a certificate from which no way leads to an authority that vouches for itself.

        Raises:
            VerificationError, ValueError: no way does.
        """
        roots = [each for each in self._authorities if _vouches_for_itself(each)]
        if not roots:
            raise ValueError("no trusted authority is the last of its chain; trust the root's certificate too")
        if _vouches_for_itself(own) and own not in roots:
            raise ValueError("it vouches for itself, and is none of the trusted")
        between = [each for each in (*others, *self._authorities) if not _vouches_for_itself(each)]
        verifier = (
            verification.PolicyBuilder()
            .store(verification.Store(roots))
            .time(own.not_valid_before_utc)
            .extension_policies(ca_policy=_OF_AUTHORITIES, ee_policy=verification.ExtensionPolicy.permit_all())
            .build_client_verifier()
        )
        verifier.verify(own, between)


def _adds_nothing(rest: dict[str, Any]) -> bool:
    """Whether nothing is said of a key but which it is: entries of logs are looked at by nobody here."""
    return rest in ({}, {"tlogEntries": []})


def _der(value: Any) -> bytes:
    match value:
        case {"rawBytes": str(encoded), **more} if not more:
            return from_base64(encoded)
        case _:
            raise ValueError("it is no certificate")


def _elliptic(key: object) -> ec.EllipticCurvePublicKey:
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in CURVES:
        raise ValueError(f"its key is none of the curves {', '.join(CURVES)}")
    return key


def _vouches_for_itself(certificate: x509.Certificate) -> bool:
    return certificate.issuer == certificate.subject


def _signs(certificate: x509.Certificate) -> bool:
    """Whether it says so, in one of two ways."""
    try:
        if certificate.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature:
            return True
    except x509.ExtensionNotFound:
        pass
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return ExtendedKeyUsageOID.CODE_SIGNING in usage


def _require_giving(policy: verification.Policy, certificate: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("a certificate among them may give no others")


# `cryptography` holds to `BasicConstraints` where they must be there. Which names an authority may give to people and
# not to hosts, it does not judge.
_OF_AUTHORITIES = (
    verification.ExtensionPolicy.permit_all()
    .require_present(x509.BasicConstraints, verification.Criticality.AGNOSTIC, None)
    .may_be_present(x509.KeyUsage, verification.Criticality.AGNOSTIC, _require_giving)
    .require_not_present(x509.NameConstraints)
)


def _bad(detail: str) -> ComponentRefused:
    return ComponentRefused(ComponentFault.BAD_SIGNATURE, detail)
