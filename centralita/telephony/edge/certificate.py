"""A self-signed certificate, for TLS before somebody brings a better one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from centralita.core.files import write_private

# As long as the browsers' own rules allowed at the most for a certificate of one's own (825 days).
_LIFE = timedelta(days=825)
# What a server that runs for months must not reach.
_RENEWED_BEFORE = timedelta(days=180)


def self_signed(folder: Path, domain: str, now: datetime | None = None) -> tuple[Path, Path]:
    """Certificate and key for `domain` in `folder`; made if they are not there yet.

    Those that end within half a year, or would serve for ten, are made anew.
    """
    certificate_file, key_file = folder / "self-signed.pem", folder / "self-signed.key"
    now = now or datetime.now(UTC)
    if key_file.is_file() and _serves(certificate_file, now):
        return certificate_file, key_file
    folder.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, domain)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + _LIFE)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(domain)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    write_private(key_file, pem)
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return certificate_file, key_file


def _serves(file: Path, now: datetime) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(file.read_bytes())
    except (OSError, ValueError):
        return False
    return now + _RENEWED_BEFORE < certificate.not_valid_after_utc <= now + _LIFE
