"""Authlib signs in by OpenID Connect, and checks the ID token. The argument is a JSON object: issuer, client, algorithm."""

import json
import sys
from urllib.parse import parse_qs, urlsplit

import requests
from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session
from authlib.jose import JsonWebKey, JsonWebToken
from authlib.oidc.core import CodeIDToken, UserInfo
from authlib.oidc.discovery import OpenIDProviderMetadata, get_well_known_url

config = json.loads(sys.argv[1])
issuer, client, algorithm = config["issuer"], config["client"], config["algorithm"]

server = OpenIDProviderMetadata(requests.get(get_well_known_url(issuer, external=True)).json())
if algorithm == "RS256":  # which Discovery 1.0, section 3, asks for; Authlib insists
    server.validate()
assert server.issuer == issuer, server

session = OAuth2Session(
    client["id"], client["secret"], redirect_uri=client["redirect_uri"], scope="openid profile",
    code_challenge_method="S256", token_endpoint_auth_method=client["method"])
verifier, nonce = generate_token(48), generate_token(20)
url, state = session.create_authorization_url(server.authorization_endpoint, code_verifier=verifier, nonce=nonce)
callback = requests.get(url, allow_redirects=False).headers["Location"]
token = dict(session.fetch_token(server.token_endpoint, authorization_response=callback, state=state, code_verifier=verifier))

claims = JsonWebToken([algorithm]).decode(
    token["id_token"], JsonWebKey.import_key_set(requests.get(server.jwks_uri).json()), claims_cls=CodeIDToken,
    claims_options={"iss": {"value": issuer}, "aud": {"value": client["id"]}},
    claims_params={"nonce": nonce, "client_id": client["id"], "access_token": token["access_token"]})
claims.validate()
assert claims["sub"] == "andy", claims

info = UserInfo(session.get(server["userinfo_endpoint"]).json())
assert info.sub == "andy" and info.name == "Andy Ash", info

refreshed = dict(session.refresh_token(server.token_endpoint))
assert refreshed["id_token"] != token["id_token"]

bye = requests.get(server["end_session_endpoint"], allow_redirects=False, params={
    "id_token_hint": refreshed["id_token"], "post_logout_redirect_uri": "https://app.example/bye", "state": "x"})
assert bye.headers["Location"] == "https://app.example/bye?state=x", bye
