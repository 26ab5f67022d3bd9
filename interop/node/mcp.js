// Signs in at an MCP server by one of two SDKs, which is not told any client, and
// calls its tools.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

const told = JSON.parse(process.argv[2]);
const { Client, StreamableHTTPClientTransport, UnauthorizedError } =
  told.sdk === "@modelcontextprotocol/client"
    ? await import(told.sdk)
    : {
        ...(await import(told.sdk + "/client/index.js")),
        ...(await import(told.sdk + "/client/streamableHttp.js")),
        ...(await import(told.sdk + "/client/auth.js")),
      };

// What the app stores, and its user's browser.
const stored = {};
const authProvider = {
  redirectUrl: "http://127.0.0.1:51004/callback",
  clientMetadataUrl: told.document,
  clientMetadata: {
    client_name: "Fern",
    redirect_uris: ["http://127.0.0.1:51004/callback"],
    grant_types: ["authorization_code", "refresh_token"],
    token_endpoint_auth_method: told.method || "none",
  },
  state: () => (stored.state = randomUUID()),
  clientInformation: () => stored.client,
  saveClientInformation: (client) => (stored.client = client),
  tokens: () => stored.tokens,
  saveTokens: (tokens) => (stored.tokens = tokens),
  codeVerifier: () => stored.verifier,
  saveCodeVerifier: (verifier) => (stored.verifier = verifier),
  invalidateCredentials: (what) => {
    if (what !== "client") delete stored.tokens;
    if (what === "all" || what === "client") delete stored.client;
  },
  async redirectToAuthorization(url) {
    stored.asked = url.searchParams;
    const answer = await fetch(url, { method: "POST", redirect: "manual" });
    stored.answer = new URL(answer.headers.get("location")).searchParams;
  },
};

let client, transport;

// until tries again once the user has signed in.
async function until(attempt) {
  try {
    return await attempt();
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error;
    assert.equal(stored.answer.get("state"), stored.state);
    assert.equal(stored.asked.get("resource"), told.mcp);
    await transport.finishAuth(stored.answer.get("code"), stored.answer.get("iss"));
    return attempt();
  }
}

async function connect() {
  client = new Client({ name: "fern", version: "1" });
  transport = new StreamableHTTPClientTransport(new URL(told.mcp), { authProvider });
  await client.connect(transport);
}

async function call(name) {
  const result = await until(() => client.callTool({ name, arguments: {} }));
  assert.equal(result.content[0].text, "andy");
}

await until(connect);
await call("whoami");
assert.equal(stored.tokens.scope, "read");
assert.equal(stored.client.client_id === told.document, Boolean(told.document));
assert.equal(Boolean(stored.client.client_secret), ["client_secret_basic", "client_secret_post"].includes(told.method));

// An access token that has ended is refreshed.
const before = stored.tokens;
stored.tokens = { ...before, access_token: "ended" };
await call("whoami");
assert.notEqual(stored.tokens.refresh_token, before.refresh_token);

// A tool needs more. The older SDK refreshes if it can, which gains nothing.
if (told.sdk === "@modelcontextprotocol/sdk") {
  await assert.rejects(call("note"), /403 after trying upscoping/);
  delete stored.tokens.refresh_token;
  await client.close();
  await connect();
}
await call("note");
assert.equal(stored.tokens.scope, "read write");

// The server does not know the client any more.
const known = stored.client;
await fetch(new URL("/forget", told.mcp), { method: "POST" });
await call("whoami");
assert.equal(stored.client.client_id === known.client_id, Boolean(told.document));
await client.close();
