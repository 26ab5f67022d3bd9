// oauth4webapi signs in by OpenID Connect, and checks the access token as an API does (RFC 9068). The argument is a
// JSON object: issuer, client.
import assert from 'node:assert/strict'
import { webcrypto } from 'node:crypto'
import * as oauth from 'oauth4webapi'

globalThis.crypto ??= webcrypto // Node 18, which is Debian 12's, has it there only
const { issuer, client, algorithm } = JSON.parse(process.argv[2])
const url = new URL(issuer)
const as = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url))
const me = { client_id: client.id, id_token_signed_response_alg: algorithm }
const auth = { client_secret_basic: oauth.ClientSecretBasic, client_secret_post: oauth.ClientSecretPost, none: oauth.None }[client.method](client.secret)

const verifier = oauth.generateRandomCodeVerifier()
const nonce = oauth.generateRandomNonce()
const state = oauth.generateRandomState()
const request = new URL(as.authorization_endpoint)
for (const [name, value] of Object.entries({ client_id: client.id, redirect_uri: client.redirect_uri, response_type: 'code',
  scope: 'openid profile', state, nonce, code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256' })) request.searchParams.set(name, value)
const sent = await fetch(request, { redirect: 'manual' })
const parameters = oauth.validateAuthResponse(as, me, new URL(sent.headers.get('location')), state)
const response = await oauth.authorizationCodeGrantRequest(as, me, auth, parameters, client.redirect_uri, verifier)

const tokens = await oauth.processAuthorizationCodeResponse(as, me, response, { expectedNonce: nonce, requireIdToken: true })
await oauth.validateApplicationLevelSignature(as, response)
const claims = oauth.getValidatedIdTokenClaims(tokens)
assert.equal(claims.sub, 'andy')

const info = await oauth.processUserInfoResponse(as, me, claims.sub, await oauth.userInfoRequest(as, me, tokens.access_token))
assert.equal(info.name, 'Andy Ash')

const api = new Request('https://api.example/', { headers: { authorization: `Bearer ${tokens.access_token}` } })
const access = await oauth.validateJwtAccessToken(as, api, issuer, { signingAlgorithms: [algorithm] })
assert.equal(access.sub, 'andy')
assert.equal(access.client_id, client.id)
