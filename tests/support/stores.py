"""Real servers that keep files, each in a thread of its own on a free port of loopback."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def _serving(server: ThreadingHTTPServer) -> Iterator[str]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def web_server(folder: Path) -> Iterator[str]:
    """The files of a folder, to be read only; gives the URL."""
    with _serving(ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))) as url:
        yield url


@contextmanager
def webdav_server(folder: Path) -> Iterator[str]:
    """A WebDAV server (wsgidav) over a folder; gives the URL."""
    from cheroot.wsgi import Server as WSGIServer
    from wsgidav.wsgidav_app import WsgiDAVApp

    logging.getLogger("wsgidav").setLevel(logging.CRITICAL)
    app = WsgiDAVApp(
        {
            "provider_mapping": {"/": str(folder)},
            "simple_dc": {"user_mapping": {"*": {"lab": {"password": "secret"}}}},
            "http_authenticator": {"accept_digest": False, "accept_basic": True, "default_to_digest": False},
            "verbose": 0,
            "logging": {"enable": False},
        }
    )
    server = WSGIServer(("127.0.0.1", 0), app, numthreads=4, shutdown_timeout=1)
    server.prepare()
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.bind_addr[1]}"
    finally:
        server.stop()
        thread.join()


@contextmanager
def s3_server(bucket: str) -> Iterator[str]:
    """An S3 server (moto) with one bucket; gives the URL."""
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        client = boto3.client("s3", endpoint_url=url, region_name="us-east-1", **S3_KEYS)
        client.create_bucket(Bucket=bucket)
        client.close()
        yield url
    finally:
        server.stop()


S3_KEYS = {"aws_access_key_id": "lab", "aws_secret_access_key": "not a secret"}
