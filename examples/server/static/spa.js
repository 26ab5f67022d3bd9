// A client that runs in the browser: no secret, so PKCE (RFC 7636), and tokens in memory only. It needs no library.

const server = location.origin; // the issuer: here it is this page's own host, elsewhere a constant
const clientID = "spa";
const redirectURI = location.origin + "/spa/";

const words = JSON.parse(document.getElementById("words").textContent);
let token = null; // what the token endpoint answered; null: not connected
let standing = ""; // what the last answer says of the connection, by its name among the words
let count = 0; // of the steps that are shown

const base64url = (bytes) => btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));
const sha256 = async (text) => new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
const breakQuery = (text) => text.replaceAll("?", "\n?").replaceAll("&", "\n&");

// connect sends the browser to the server. What the answer will be compared with stays in this tab.
async function connect() {
  const state = random(), verifier = random();
  const url = server + "/authorize?" + new URLSearchParams({
    response_type: "code", client_id: clientID, redirect_uri: redirectURI, scope: "read", state,
    code_challenge: base64url(await sha256(verifier)), code_challenge_method: "S256",
  });
  sessionStorage.setItem("request", JSON.stringify({ state, verifier, url }));
  location.assign(url);
}

// receive takes the server's answer from the address, and out of it: whoever reads it there could try it.
async function receive() {
  const answer = new URLSearchParams(location.search);
  if (!["state", "code", "error"].some((name) => answer.has(name))) return;
  history.replaceState(null, "", redirectURI);
  const request = JSON.parse(sessionStorage.getItem("request"));
  if (!request || answer.get("state") !== request.state) return tell("client.unasked");
  sessionStorage.removeItem("request");
  show("step.redirect", breakQuery(request.url));
  show(answer.has("error") ? "step.refusal" : "step.answer", "GET " + breakQuery(redirectURI + "?" + answer));
  if (answer.get("iss") !== server) return tell("client.mixup"); // RFC 9207
  if (answer.has("error")) return tell(answer.get("error") === "access_denied" ? "client.denied" : "client.failed");
  const issued = await post("step.token", "/user/token", {
    grant_type: "authorization_code", code: answer.get("code"), redirect_uri: redirectURI, client_id: clientID,
    code_verifier: request.verifier,
  });
  if (issued.error) return tell("client.failed");
  token = issued;
  await callAPI();
}

async function callAPI() {
  const path = "/user/authenticate", header = "Bearer " + token.access_token;
  const response = await fetch(server + path, { headers: { Authorization: header } });
  await showAnswer("step.api", `GET ${path}\nAuthorization: ${header}`, response);
  if (response.ok) return tell("client.answered", "client.connected");
  if (response.status === 401) return tell("client.unauthorized", "client.doubt.refused");
  tell("client.failed", "client.doubt.unclear");
}

async function refresh() {
  const fresh = await post("step.refresh", "/user/token", { grant_type: "refresh_token", refresh_token: token.refresh_token, client_id: clientID });
  if (fresh.error) {
    if (fresh.error !== "invalid_grant") return tell("client.failed", "client.doubt.unclear");
    token = null;
    return tell("client.ended");
  }
  token = { ...token, ...fresh }; // a server may leave the refresh token as it is
  tell("client.refreshed", "client.connected");
}

async function disconnect() {
  const form = { token: token.refresh_token ?? token.access_token, client_id: clientID };
  const refused = await post("step.revoke", "/user/revoke", form);
  if (refused.error) return tell("client.failed", "client.doubt.unclear");
  token = null;
  tell("client.disconnected");
}

// post returns the document that the server answers with; it has an error when the server refuses.
async function post(title, path, form) {
  const body = new URLSearchParams(form);
  const response = await fetch(server + path, { method: "POST", body });
  const text = await showAnswer(title, `POST ${path}\nContent-Type: application/x-www-form-urlencoded\n\n${breakQuery(body.toString())}`, response);
  return text ? JSON.parse(text) : {};
}

async function showAnswer(title, request, response) {
  const text = await response.text();
  const type = response.headers.get("Content-Type") ?? "";
  const readable = type.startsWith("application/json") ? JSON.stringify(JSON.parse(text), null, 2) : text;
  show(title, request, `${response.status} ${response.statusText}\n\n${readable}`.trim());
  return text;
}

function show(title, request, answer) {
  const step = document.getElementById("step").content.cloneNode(true);
  const [requestBox, answerBox] = step.querySelectorAll("pre");
  step.querySelector("li").value = ++count;
  step.querySelector("h2").textContent = `${count}. ${words[title]}`;
  step.querySelector("p").textContent = words[title + ".story"];
  requestBox.textContent = request;
  if (answer) answerBox.textContent = answer; else answerBox.remove();
  document.getElementById("steps").prepend(step); // the last one first
  document.getElementById("order").hidden = false;
}

// tell says what came of a step, and keeps what that says of the connection.
function tell(name, known = standing) {
  standing = known;
  say("notice", name);
}

function say(id, name) {
  const place = document.getElementById(id);
  place.textContent = name ? words[name] : "";
  place.hidden = !name;
}

// run does one thing at a time: a token that is refreshed twice at once would look like a copy of it.
async function run(what) {
  const buttons = { connect, api: callAPI, refresh, disconnect };
  for (const id in buttons) document.getElementById(id).disabled = true;
  try {
    await what();
  } catch (error) {
    console.error(error);
    tell("client.failed", "client.doubt.unclear");
  }
  say("standing", token && standing);
  for (const id in buttons) {
    const button = document.getElementById(id);
    button.disabled = false;
    button.hidden = (id === "connect") === (token !== null);
    button.onclick = () => run(buttons[id]);
  }
}

if (crypto.subtle) run(receive); else say("notice", "spa.insecure"); // by http from another machine: no PKCE
