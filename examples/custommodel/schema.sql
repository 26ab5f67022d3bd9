-- The shop's own tables, which were there before. sqlmodel makes its tables itself.

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
