// node-oauth2-server on node's own HTTP server, with a model of maps. Arguments: port, number of tokens to store first.
"use strict";
const http = require("node:http");
const crypto = require("node:crypto");
const OAuth2Server = require("@node-oauth/oauth2-server");
const { Request, Response } = OAuth2Server;

const [port, prefill] = process.argv.slice(2).map(Number);
const callback = "https://app.example/callback";
const digest = (text) => crypto.createHash("sha256").update(text).digest();
const clients = new Map([
  ["app", { id: "app", secret: digest("a-secret-that-nobody-guesses"), grants: ["authorization_code", "refresh_token"], redirectUris: [callback] }],
  ["other", { id: "other", secret: digest("a-third-secret-that-nobody-guesses"), grants: ["authorization_code", "refresh_token"], redirectUris: [callback] }],
  ["machine", { id: "machine", secret: digest("another-secret-that-nobody-guesses"), grants: ["client_credentials"], redirectUris: [] }],
]);
const user = { id: "u1" };
const access = new Map(), refresh = new Map(), codes = new Map();

const model = {
  async getClient(id, secret) {
    const client = clients.get(id);
    if (!client || secret !== null && !(secret && crypto.timingSafeEqual(digest(secret), client.secret))) return false;
    return client;
  },
  async saveToken(token, client, owner) {
    const saved = { ...token, client, user: owner };
    access.set(token.accessToken, saved);
    if (token.refreshToken) refresh.set(token.refreshToken, saved);
    return saved;
  },
  async getAccessToken(token) { return access.get(token); },
  async verifyScope(token, scope) { return scope.every((s) => token.scope && token.scope.includes(s)); },
  async getUserFromClient() { return user; },
  async validateScope(owner, client, scope) { return scope || []; }, // falsy would refuse
  async getRefreshToken(token) { return refresh.get(token); },
  async revokeToken(token) { return refresh.delete(token.refreshToken); },
  async getAuthorizationCode(code) { return codes.get(code); },
  async saveAuthorizationCode(code, client, owner) {
    const saved = { ...code, client, user: owner };
    codes.set(code.authorizationCode, saved);
    return saved;
  },
  async revokeAuthorizationCode(code) { return codes.delete(code.authorizationCode); },
};

const server = new OAuth2Server({ model, authenticateHandler: { handle: async () => user } });

function read(req) {
  return new Promise((resolve) => {
    let body = "";
    req.setEncoding("utf8");
    req.on("data", (chunk) => { body += chunk; });
    req.on("end", () => resolve(body));
  });
}

async function answer(req, res) {
  const url = new URL(req.url, "http://localhost");
  const request = new Request({
    method: req.method, headers: req.headers, query: Object.fromEntries(url.searchParams),
    body: req.method === "POST" ? Object.fromEntries(new URLSearchParams(await read(req))) : {},
  });
  const response = new Response({});
  try {
    switch (url.pathname) {
      case "/token": await server.token(request, response); break;
      case "/authorize": await server.authorize(request, response); break;
      default:
        await server.authenticate(request, response, { scope: ["read"] });
        res.writeHead(200, response.headers).end("ok\n");
        return;
    }
  } catch (error) {
    if (!response.headers.location) {
      res.writeHead(error.code || 500, { "content-type": "application/json" }).end(JSON.stringify({ error: error.name }));
      return;
    }
  }
  if (response.headers.location) res.writeHead(302, { location: response.headers.location }).end();
  else res.writeHead(response.status, { ...response.headers, "content-type": "application/json" }).end(JSON.stringify(response.body));
}

for (let i = 0; i < prefill; i++) {
  const client = clients.get("machine");
  model.saveToken({ accessToken: crypto.randomBytes(32).toString("hex"), accessTokenExpiresAt: new Date(Date.now() + 3600e3), scope: ["read"] }, client, user);
}
http.createServer({ keepAliveTimeout: 0 }, (req, res) => { answer(req, res); })
  .listen(port, "127.0.0.1", function () { console.log(`http://127.0.0.1:${this.address().port}`); });
process.stdin.on("end", () => process.exit()).resume(); // it ends with who started it
