#!/usr/bin/env python3
"""An issuer of OpenID Connect for the tests of the archive: real RS256 keys, codes that work once, PKCE.

usage: oidc_issuer.py FOLDER PORT

It signs in whoever FOLDER/next.json names, and gives ID tokens with the defect that this file asks for.
What it has been asked is in FOLDER/requests. Keys stay in FOLDER: an issuer that is started again has them.
"""

import base64
import hashlib
import json
import os
import secrets
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

FOLDER, PORT = sys.argv[1], int(sys.argv[2])
CLIENT, SECRET = "callrec", "s3cret/of the client"
codes = {}


def text_of(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def key(name):
    """The file of a key; it is made when it is first asked for."""
    path = os.path.join(FOLDER, f"{name}.pem")
    if not os.path.exists(path):
        command = ["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", path]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return path


def public_key(name):
    command = ["openssl", "rsa", "-in", key(name), "-noout", "-modulus"]
    modulus = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("=")[1]
    return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": name, "n": text_of(bytes.fromhex(modulus.strip())), "e": "AQAB"}


def signed(header, claims, key_name):
    head = ".".join(text_of(json.dumps(part).encode()) for part in (header, claims))
    command = ["openssl", "dgst", "-sha256", "-sign", key(key_name)]
    signature = subprocess.run(command, input=head.encode(), check=True, capture_output=True).stdout
    return f"{head}.{text_of(signature)}"


def wanted():
    with open(os.path.join(FOLDER, "next.json"), encoding="utf-8") as file:
        return json.load(file)


def id_token(code, issuer):
    """A token with the defect that was asked for."""
    person, defect = code["person"], code["person"].get("defect")
    now = int(time.time())
    kid = person.get("key", "one")
    header = {"alg": "RS256", "typ": "JWT", "kid": kid}
    claims = {"iss": issuer, "aud": CLIENT, "sub": "sub-of-" + person["user"], "iat": now, "exp": now + 300}
    claims.update(nonce=code["nonce"], preferred_username=person["user"], groups=person["groups"])
    claims.update(person.get("claims", {}))
    if defect == "none":
        head = [text_of(json.dumps(part).encode()) for part in (dict(header, alg="none"), claims)]
        return ".".join(head) + "."
    if defect == "hmac":
        # The signature that anybody can make who knows the client's secret.
        import hmac
        head = ".".join(text_of(json.dumps(part).encode()) for part in (dict(header, alg="HS256"), claims))
        return head + "." + text_of(hmac.new(SECRET.encode(), head.encode(), hashlib.sha256).digest())
    token = signed(header, claims, "stranger" if defect == "forged" else kid)
    if defect == "changed":
        head, _, signature = token.split(".")
        claims["preferred_username"] = "somebody-else"
        token = ".".join([head, text_of(json.dumps(claims).encode()), signature])
    return token


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def issuer(self):
        """Its URL: another one if something that does TLS is in front of it."""
        return wanted().get("issuer", f"http://127.0.0.1:{self.server.server_port}")

    def answer(self, status, value, **headers):
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for name, content in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, content)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def note(self, what):
        with open(os.path.join(FOLDER, "requests"), "a", encoding="utf-8") as file:
            file.write(what + "\n")

    def do_GET(self):
        issuer = self.issuer()
        asked = urlsplit(self.path)
        fields = {name: values[0] for name, values in parse_qs(asked.query).items()}
        self.note(f"GET {asked.path}")
        if asked.path == "/.well-known/openid-configuration":
            told = {"issuer": issuer, "authorization_endpoint": issuer + "/authorize", "token_endpoint": issuer + "/token"}
            told.update(jwks_uri=issuer + "/keys", response_types_supported=["code"], subject_types_supported=["public"])
            told.update(id_token_signing_alg_values_supported=["RS256"], scopes_supported=["openid", "profile", "groups"])
            told.update(wanted().get("description", {}))
            self.answer(200, told)
        elif asked.path == "/keys":
            self.answer(200, {"keys": [public_key(name) for name in wanted().get("keys", ["one"])]})
        elif asked.path == "/authorize":
            self.authorize(fields, issuer)
        else:
            self.answer(404, {})

    def authorize(self, fields, issuer):
        person = wanted()
        expected = {"client_id": CLIENT, "response_type": "code", "code_challenge_method": "S256"}
        wrong = [name for name, value in expected.items() if fields.get(name) != value]
        scopes = set(fields["scope"].split())
        if wrong or scopes != {"openid", "profile", "groups"} or len(fields["state"]) < 32 or len(fields["nonce"]) < 32:
            self.answer(400, {"error": "invalid_request", "error_description": f"{wrong} {scopes}"})
            return
        back = {"state": fields["state"], "iss": issuer}
        if person.get("defect") == "denied":
            back["error"] = "access_denied"
        else:
            back["code"] = secrets.token_urlsafe(24)
            codes[back["code"]] = dict(fields, person=person)
        self.answer(302, b"", Location=fields["redirect_uri"] + "?" + urlencode(back))

    def do_POST(self):
        self.note(f"POST {self.path}")
        issuer = self.issuer()
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        fields = {name: values[0] for name, values in parse_qs(body).items()}
        person = wanted()
        if person.get("defect") == "broken":
            self.answer(200, b"x" * int(person["length"]))
            return
        if not self.is_the_client(person, fields):
            self.answer(401, {"error": "invalid_client"})
            return
        code = codes.pop(fields.get("code"), None)
        challenge = text_of(hashlib.sha256(fields.get("code_verifier", "").encode()).digest())
        is_right = code and code["code_challenge"] == challenge and code["redirect_uri"] == fields.get("redirect_uri")
        if not is_right or fields.get("grant_type") != "authorization_code":
            self.answer(400, {"error": "invalid_grant"})
            return
        token = {"access_token": secrets.token_urlsafe(24), "token_type": "Bearer", "id_token": id_token(code, issuer)}
        self.answer(200, token)

    def is_the_client(self, person, fields):
        if person.get("public"):
            return fields.get("client_id") == CLIENT and "Authorization" not in self.headers
        # RFC 6749, 2.3.1: both are encoded as in a form.
        basic = urlencode({"": CLIENT})[1:] + ":" + urlencode({"": SECRET})[1:]
        expected = "Basic " + base64.b64encode(basic.encode()).decode()
        return self.headers.get("Authorization") == expected


server = ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
key("one")
print(f"ready on {server.server_port}", file=sys.stderr, flush=True)
server.serve_forever()
