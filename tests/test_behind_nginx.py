"""The manual's configuration of nginx, with TLS, in front of a real server."""

import re
import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from app.criteria import Criteria
from app.database import open_database, transaction
from app.settings import Settings
from app.store.reviewers import bootstrap_admin
from tests.clients import PROTOBUF
from tests.conftest import require_or_skip
from tests.faults.processes import free_port
from tests.test_ingest_real_clients import serving

README = Path(__file__).parents[1] / "README.md"
FOLDERS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
HERE = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html"}


def configuration(folder: Path, port: int, target: str) -> str:
    """The manual's server, on a port of this machine, with a certificate from the folder."""
    (block,) = re.findall(r"```nginx\n(.*?)```", README.read_text(), re.DOTALL)
    for old, new in (
        ("443", f"127.0.0.1:{port}"),
        ("touchstone.example.org", "localhost"),
        ("touchstone.pem", f"{folder}/cert.pem"),
        ("touchstone.key", f"{folder}/key.pem"),
        ("http://127.0.0.1:8000", target),
    ):
        assert old in block
        block = block.replace(old, new)
    places = "".join(f"{name}_temp_path {folder}/{name};" for name in FOLDERS)
    return (
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;\n"
        "events {}\n"
        f"http {{ access_log off; {places}\n{block}}}"
    )


def make_certificate(folder: Path) -> None:
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run([*command.split(), *names, *files], check=True, capture_output=True)


@pytest.fixture(scope="module")
def proxied(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory, criteria: Criteria
) -> Iterator[tuple[httpx.Client, str]]:
    """A browser in front of nginx, which is in front of a server, and the admin's first link."""
    found = shutil.which("nginx") and shutil.which("openssl")
    require_or_skip("nginx", bool(found), "install nginx and openssl to run these tests")
    folder = tmp_path_factory.mktemp("nginx")
    shutil.copy(sqlite_template, folder / "test.db")
    make_certificate(folder)
    port, url = free_port(), f"sqlite:///{folder}/test.db"
    settings = Settings(database_url=url, public_address=f"https://localhost:{port}")
    engine = open_database(url)
    with transaction(engine) as session:
        token = bootstrap_admin(session, now=datetime.now(UTC))
    engine.dispose()
    with serving(settings, criteria) as target:
        (folder / "nginx.conf").write_text(configuration(folder, port, target))
        nginx = subprocess.Popen(["nginx", "-c", f"{folder}/nginx.conf", "-p", str(folder)])
        trusted = ssl.create_default_context(cafile=str(folder / "cert.pem"))
        base = f"https://localhost:{port}"
        with httpx.Client(base_url=base, verify=trusted, trust_env=False, timeout=60) as client:
            wait_for(client)
            yield client, str(token)
        nginx.terminate()
        nginx.wait()


def wait_for(client: httpx.Client) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            client.get("/healthz")
        except httpx.ConnectError:
            assert time.monotonic() < deadline, "nginx did not start"
            time.sleep(0.05)
        else:
            return


def test_a_sign_in_gives_a_cookie_for_tls_only_and_stays_on_the_public_name(
    proxied: tuple[httpx.Client, str],
) -> None:
    client, token = proxied
    away = client.get("/dashboard", headers=HERE)
    assert (away.status_code, away.headers["location"]) == (303, "/sign-in?next=%2Fdashboard")
    form = {"link": token, "password": "a long enough password", "next": "/dashboard"}
    signed_in = client.post("/sign-in", data=form, headers=HERE)
    assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/dashboard")
    assert "Secure" in signed_in.headers["set-cookie"]
    assert client.get("/dashboard", headers=HERE).status_code == 200
    assert f"{client.base_url}/api/v1/interactions" in client.get("/", headers=HERE).text
    client.cookies.clear()


@pytest.mark.parametrize("n_bytes", [1_000, 2 * 1024 * 1024, 32 * 1024 * 1024])
def test_a_large_batch_reaches_the_server_and_its_refusal_the_sender(
    proxied: tuple[httpx.Client, str], n_bytes: int
) -> None:
    client, _ = proxied
    answer = client.post("/v1/traces", content=bytes(n_bytes), headers={"Content-Type": PROTOBUF})
    assert (answer.status_code, answer.headers["content-type"]) == (401, PROTOBUF)
