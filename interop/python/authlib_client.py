"""The story of site_test.go, told with Authlib. The argument is a JSON object: issuer, api, client, resources."""

import json
import sys
import time
from urllib.parse import parse_qs, urlsplit

import requests
from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata, get_well_known_url

config = json.loads(sys.argv[1])
issuer, client, resources = config["issuer"], config["client"], config["resources"]

document = requests.get(get_well_known_url(issuer, external=True)).json()
server = AuthorizationServerMetadata(document)
server.validate()
assert server.issuer == issuer, server

session = OAuth2Session(
    client["id"], client["secret"], redirect_uri=client["redirect_uri"], scope="read write", code_challenge_method="S256",
    token_endpoint_auth_method=client["method"], revocation_endpoint_auth_method=client["method"])
verifier = generate_token(48)
url, state = session.create_authorization_url(server.authorization_endpoint, code_verifier=verifier)
sent = requests.post(url, allow_redirects=False)  # the owner presses the button
callback = sent.headers["Location"]
assert parse_qs(urlsplit(callback).query)["iss"] == [issuer], callback  # this version leaves RFC 9207 to its caller

token = dict(session.fetch_token(server.token_endpoint, authorization_response=callback, state=state, code_verifier=verifier))
assert token["token_type"] == "Bearer" and token["scope"] == "read write", token

asker = OAuth2Session(resources["id"], resources["secret"])


def introspect(value):
    answer = asker.introspect_token(server.introspection_endpoint, token=value, token_type_hint="access_token")
    answer.raise_for_status()
    return answer.json()


known = introspect(token["access_token"])
assert abs(known.pop("exp") - time.time() - token["expires_in"]) < 10
assert known == {"active": True, "scope": "read write", "client_id": client["id"], "token_type": "Bearer", "sub": "andy",
                 "iss": issuer}, known

refreshed = dict(session.refresh_token(server.token_endpoint))
assert refreshed["refresh_token"] != token["refresh_token"]
assert session.get(config["api"]).text == "andy"

session.revoke_token(server.revocation_endpoint, token=refreshed["refresh_token"], token_type_hint="refresh_token").raise_for_status()
assert introspect(refreshed["access_token"]) == {"active": False}
try:
    session.refresh_token(server.token_endpoint, refresh_token=refreshed["refresh_token"])
except OAuthError as refused:
    assert refused.error == "invalid_grant", refused
else:
    raise AssertionError("a refresh after the revocation")

if client["secret"]:
    own = session.fetch_token(server.token_endpoint, grant_type="client_credentials", scope="read")
    assert own["scope"] == "read", own
