// The story of site_test.go, told with openid-client. The argument is a JSON object: issuer, api, client, resources.
import assert from 'node:assert/strict'
import { webcrypto } from 'node:crypto'
import * as oidc from 'openid-client'

globalThis.crypto ??= webcrypto // Node 18, which is Debian 12's, has it there only
const { issuer, api, client, resources } = JSON.parse(process.argv[2])
const methods = { client_secret_basic: oidc.ClientSecretBasic, client_secret_post: oidc.ClientSecretPost, none: oidc.None }

const config = await oidc.discovery(new URL(issuer), client.id, {}, methods[client.method](client.secret), { algorithm: 'oauth2' })
assert.ok(config.serverMetadata().supportsPKCE())

const pkceCodeVerifier = oidc.randomPKCECodeVerifier()
const expectedState = oidc.randomState()
const request = oidc.buildAuthorizationUrl(config, {
  redirect_uri: client.redirect_uri, scope: 'read write', state: expectedState,
  code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier), code_challenge_method: 'S256',
})
const sent = await fetch(request, { method: 'POST', redirect: 'manual' }) // the owner presses the button
const callback = new URL(sent.headers.get('location'))
for (const iss of ['', 'https://elsewhere.example']) {
  const forged = new URL(callback)
  forged.searchParams.set('iss', iss)
  await assert.rejects(oidc.authorizationCodeGrant(config, forged, { pkceCodeVerifier, expectedState }), { code: 'OAUTH_INVALID_RESPONSE' })
}

const token = await oidc.authorizationCodeGrant(config, callback, { pkceCodeVerifier, expectedState })
assert.equal(token.scope, 'read write')

const asker = new oidc.Configuration(config.serverMetadata(), resources.id, {}, oidc.ClientSecretBasic(resources.secret))
const { exp, ...known } = await oidc.tokenIntrospection(asker, token.access_token)
assert.deepEqual(known, { active: true, scope: 'read write', client_id: client.id, token_type: 'Bearer', sub: 'andy', iss: issuer })
assert.ok(Math.abs(exp - Date.now() / 1000 - token.expiresIn()) < 10)

const refreshed = await oidc.refreshTokenGrant(config, token.refresh_token)
assert.notEqual(refreshed.refresh_token, token.refresh_token)
const res = await oidc.fetchProtectedResource(config, refreshed.access_token, new URL(api), 'GET')
assert.equal(await res.text(), 'andy')

await oidc.tokenRevocation(config, refreshed.refresh_token)
assert.deepEqual(await oidc.tokenIntrospection(asker, refreshed.access_token), { active: false })
await assert.rejects(oidc.refreshTokenGrant(config, refreshed.refresh_token), { error: 'invalid_grant', status: 400 })

if (client.secret) {
  const own = await oidc.clientCredentialsGrant(config, { scope: 'read' })
  assert.equal(own.scope, 'read')
}
