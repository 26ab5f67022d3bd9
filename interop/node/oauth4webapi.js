// The story of site_test.go, told with oauth4webapi. The argument is a JSON object: issuer, api, client, resources.
import assert from 'node:assert/strict'
import { webcrypto } from 'node:crypto'
import * as oauth from 'oauth4webapi'

globalThis.crypto ??= webcrypto // Node 18, which is Debian 12's, has it there only
const { issuer, api, client, resources } = JSON.parse(process.argv[2])
const methods = { client_secret_basic: oauth.ClientSecretBasic, client_secret_post: oauth.ClientSecretPost, none: oauth.None }
const me = { client_id: client.id }
const proof = methods[client.method](client.secret)

const url = new URL(issuer)
const as = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, { algorithm: 'oauth2' }))

const verifier = oauth.generateRandomCodeVerifier()
const state = oauth.generateRandomState()
const request = new URL(as.authorization_endpoint)
request.search = new URLSearchParams({
  client_id: client.id, redirect_uri: client.redirect_uri, response_type: 'code', scope: 'read write', state,
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
})
const sent = await fetch(request, { method: 'POST', redirect: 'manual' }) // the owner presses the button
const callback = new URL(sent.headers.get('location'))
for (const iss of ['', 'https://elsewhere.example']) {
  const forged = new URL(callback)
  forged.searchParams.set('iss', iss)
  assert.throws(() => oauth.validateAuthResponse(as, me, forged, state), /"iss"/)
}
const answer = oauth.validateAuthResponse(as, me, callback, state)

const token = await oauth.processAuthorizationCodeResponse(as, me,
  await oauth.authorizationCodeGrantRequest(as, me, proof, answer, client.redirect_uri, verifier))
assert.equal(token.token_type, 'bearer')
assert.equal(token.scope, 'read write')

const asker = { client_id: resources.id }
const introspect = async (value) => oauth.processIntrospectionResponse(as, asker,
  await oauth.introspectionRequest(as, asker, oauth.ClientSecretBasic(resources.secret), value))
const { exp, ...known } = await introspect(token.access_token)
assert.deepEqual(known, { active: true, scope: 'read write', client_id: client.id, token_type: 'Bearer', sub: 'andy', iss: issuer })
assert.ok(Math.abs(exp - Date.now() / 1000 - token.expires_in) < 10)

const refresh = async (value) => oauth.processRefreshTokenResponse(as, me, await oauth.refreshTokenGrantRequest(as, me, proof, value))
const refreshed = await refresh(token.refresh_token)
assert.notEqual(refreshed.refresh_token, token.refresh_token)
const res = await oauth.protectedResourceRequest(refreshed.access_token, 'GET', new URL(api))
assert.equal(await res.text(), 'andy')

await oauth.processRevocationResponse(await oauth.revocationRequest(as, me, proof, refreshed.refresh_token))
assert.deepEqual(await introspect(refreshed.access_token), { active: false })
await assert.rejects(refresh(refreshed.refresh_token), { error: 'invalid_grant', status: 400 })

if (client.secret) {
  const own = await oauth.processClientCredentialsResponse(as, me,
    await oauth.clientCredentialsGrantRequest(as, me, proof, { scope: 'read' }))
  assert.equal(own.scope, 'read')
}
