"""``ornstein certs``: make a chain of certificates, check one, show the one that signs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ornstein.errors import UsageError

if TYPE_CHECKING:
    from cryptography import x509

app = typer.Typer(
    name="certs", no_args_is_help=True, help="Make, check and show the certificates that sign files."
)

Force = Annotated[bool, typer.Option("--force", help="Replace what is there.")]
Out = Annotated[Path | None, typer.Option(help="Folder to write; the development chain where left out.")]
Name = Annotated[str | None, typer.Option(help="Organisation on the certificates.")]


@app.command()
def init(out: Out = None, name: Name = None, force: Force = False) -> None:
    """Make a root, an intermediate and a leaf: this machine's development chain, or one to keep elsewhere."""
    from ornstein.guard.credentials.certificates import ORGANISATION, ROOT, folder, make

    if out is None and name is not None:
        raise UsageError("--name goes with --out: the development chain bears its own name")
    if (
        name is not None and not 0 < len(name.strip()) <= 40
    ):  # X.509 allows 64, together with what is added to it
        raise UsageError("--name takes 1 to 40 characters")
    target = out or folder()
    if out is None and target.exists() and not force:
        raise UsageError(
            f"there is a development chain in {target}; with --force it is replaced, and files that it signed are "
            "no longer trusted here"
        )
    make(target, (name or ORGANISATION).strip(), force=force)
    typer.echo(str(target))
    typer.echo(f"who is to trust it takes {target / ROOT}; nobody else does", err=True)


@app.command()
def lint(
    chain: Annotated[Path, typer.Argument(help="PEM file of certificates, leaf first.")],
    key: Annotated[Path | None, typer.Option(help="PEM file of the leaf's private key.")] = None,
) -> None:
    """Check a chain against the certificate profile of C2PA; exit with 1 where anything is wrong."""
    from ornstein.guard.credentials.pem import read_certificates, read_file
    from ornstein.guard.credentials.profile import lint as check

    certificates = read_certificates(read_file(chain), str(chain))
    problems = check(certificates, read_file(key) if key else None)
    for problem in problems:
        typer.echo(f"{chain}: {problem}")
    if problems:
        raise typer.Exit(1)
    typer.echo(f"{chain}: {len(certificates)} certificates fit the profile")


@app.command()
def show() -> None:
    """Show who signs under the policy in force, and whom this machine trusts; makes nothing."""
    from ornstein.guard.credentials.certificates import CHAIN, folder
    from ornstein.guard.credentials.pem import read_certificates
    from ornstein.guard.credentials.signing import named_chain
    from ornstein.guard.credentials.trust import Trust
    from ornstein.guard.policy import Policy

    credentials = Policy.find().publish.credentials
    if credentials is None:
        typer.echo("signs: nobody; the policy wants no credentials")
    elif (named := named_chain(credentials)) is not None:
        _certificates("signs", named)
    elif (file := folder() / CHAIN).exists():
        _certificates("signs (development)", read_certificates(file.read_bytes(), str(file)))
    else:
        typer.echo("signs: a development chain, made at first use or by `ornstein certs init`")
    trust = Trust.find()
    _certificates("trusted (development)", (trust.development,) if trust.development else ())
    _certificates("trusted", trust.anchors)


def _certificates(what: str, certificates: tuple[x509.Certificate, ...]) -> None:
    from cryptography.hazmat.primitives.hashes import SHA256

    from ornstein.guard.credentials.pem import title

    for certificate in certificates:
        until = f"until {certificate.not_valid_after_utc:%Y-%m-%d}"
        typer.echo(
            f"{what}: {title(certificate.subject)}, {until}, sha256 {certificate.fingerprint(SHA256()).hex()}"
        )
