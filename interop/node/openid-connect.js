// openid-client signs in by OpenID Connect, and checks all that it can. The argument is a JSON object: issuer, client.
import assert from 'node:assert/strict'
import { webcrypto } from 'node:crypto'
import * as oidc from 'openid-client'

globalThis.crypto ??= webcrypto // Node 18, which is Debian 12's, has it there only
const { issuer, client, algorithm } = JSON.parse(process.argv[2])
const methods = { client_secret_basic: oidc.ClientSecretBasic, client_secret_post: oidc.ClientSecretPost, none: oidc.None }

const config = await oidc.discovery(new URL(issuer), client.id, { id_token_signed_response_alg: algorithm },
  methods[client.method](client.secret))
oidc.enableNonRepudiationChecks(config) // checks the signature, too

async function signIn (more) {
  const pkceCodeVerifier = oidc.randomPKCECodeVerifier()
  const expectedNonce = oidc.randomNonce()
  const request = oidc.buildAuthorizationUrl(config, {
    redirect_uri: client.redirect_uri, scope: 'openid email', nonce: expectedNonce,
    code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier), code_challenge_method: 'S256', ...more
  })
  const sent = await fetch(request, { redirect: 'manual' })
  const callback = new URL(sent.headers.get('location'))
  const checks = { pkceCodeVerifier, expectedNonce, idTokenExpected: true }
  if (more?.max_age) checks.maxAge = Number(more.max_age)
  return oidc.authorizationCodeGrant(config, callback, checks)
}

const token = await signIn()
const claims = token.claims()
assert.equal(claims.sub, 'andy')
assert.equal(claims.acr, 'gold')
await signIn({ max_age: '3600' })
const asked = await signIn({ claims: JSON.stringify({ id_token: { name: null } }) })
assert.equal(asked.claims().name, 'Andy Ash')

const info = await oidc.fetchUserInfo(config, token.access_token, claims.sub)
assert.equal(info.email, 'andy@example.com')

const refreshed = await oidc.refreshTokenGrant(config, token.refresh_token)
assert.equal(refreshed.claims().auth_time, claims.auth_time)

const bye = oidc.buildEndSessionUrl(config, { id_token_hint: token.id_token,
  post_logout_redirect_uri: 'https://app.example/bye', state: 'x' })
const left = await fetch(bye, { redirect: 'manual' })
assert.equal(left.headers.get('location'), 'https://app.example/bye?state=x')
