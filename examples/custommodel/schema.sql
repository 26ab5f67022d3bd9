-- The shop's own tables, which were there before it became an authorization server.

CREATE TABLE IF NOT EXISTS customers (
	number   TEXT PRIMARY KEY,
	email    TEXT NOT NULL UNIQUE,
	password TEXT NOT NULL -- see hashPassword
);

CREATE TABLE IF NOT EXISTS partners (
	id            TEXT PRIMARY KEY,
	secret_digest TEXT, -- NULL: an app on somebody's phone, which cannot keep a secret
	callback      TEXT NOT NULL
);

-- The model's tables. The columns beside the record are what rows are found by; the record is JSON. Times are
-- milliseconds since 1970.

-- A row for each code and token, under its digest: who reads the table cannot use them.
CREATE TABLE IF NOT EXISTS oauth_tokens (
	kind       TEXT NOT NULL, -- 'code', 'access' or 'refresh'
	digest     TEXT NOT NULL,
	client_id  TEXT NOT NULL,
	user_id    TEXT NOT NULL,
	grant_id   TEXT NOT NULL,
	expires_at BIGINT, -- NULL: never
	record     TEXT NOT NULL,
	PRIMARY KEY (kind, digest)
);

CREATE INDEX IF NOT EXISTS oauth_tokens_by_expiry ON oauth_tokens (expires_at);

-- The logs: of each grant, and beside it. That there is one row for a place is what single use and revocation stand on.
CREATE TABLE IF NOT EXISTS oauth_grant_log (
	grant_id   TEXT NOT NULL,
	seq        INTEGER NOT NULL,
	client_id  TEXT NOT NULL, -- '': the entry names nobody
	user_id    TEXT NOT NULL, -- likewise
	expires_at BIGINT NOT NULL,
	record     TEXT NOT NULL,
	PRIMARY KEY (grant_id, seq)
);

CREATE INDEX IF NOT EXISTS oauth_grant_log_by_user ON oauth_grant_log (user_id);
CREATE INDEX IF NOT EXISTS oauth_grant_log_by_expiry ON oauth_grant_log (expires_at);
