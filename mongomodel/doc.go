// Package mongomodel is an [oauth2server.Model] on MongoDB, with every
// interface that stores something and none of the hooks. Any number of
// processes can share it. A program adds hooks by embedding *Model in a type of
// its own. With users and clients of its own, it embeds [Grants] instead.
//
//	client, err := mongo.Connect(options.Client().ApplyURI(uri).SetTimeout(5 * time.Second))
//	model := mongomodel.New(client.Database("auth"), nil)
//	err = model.EnsureIndexes(ctx)
//	err = model.AddClient(ctx, &oauth2server.Client{
//		ID:           "app",
//		RedirectURIs: []string{"https://app.example/callback"},
//		Grants:       []string{"authorization_code", "refresh_token"},
//	}, secret)
//	err = model.AddUser(ctx, &oauth2server.User{ID: "u1"}, "andy", password)
//
// # Commands
//
// A request needs find, insert and, to revoke, delete: one document at a time
// and by _id. There are no transactions; the only listing is that of one
// grant's log, and the only update that of a password hash, once. So the same
// code runs on a single server, a replica set and a sharded cluster, and each
// command goes to one shard. In numbers:
//
//	authenticate                 1  find
//	authorize                    2  find client, insert code
//	  signing in by password    +1  find user; +1 update user after PasswordCost was raised, or AddUserHash
//	client credentials           2  find client, insert access token
//	code exchange                6  find client, code; insert access token, refresh token, log entry; find the
//	                                user's last revocation
//	refresh                      5  find client, refresh token; insert access token, refresh token, log entry
//	  when asked twice          +3  insert refused: find that entry, find the log, insert
//	revoke a grant               6  find whether it has ended, and the log; insert that it ends, and an entry in
//	                                the log; find its uses; insert that it has ended; +1 delete for each access
//	                                token that still lives; +1 find for each 100 entries
//	  when it has ended          1  find that
//	  at the endpoint           +2  find client, refresh token
//	introspect an access token   2  find client, access token; +1 without a hint
//	introspect a refresh token   3  find client, refresh token, log
//
// A request that is refused because of the log deletes what it had prepared,
// which is two deletes more, and ends the grant or makes sure that it has
// ended. A refresh without rotation has one more find and one insert less.
//
// # Guarantees
//
// Writes wait until a majority of the replica set has them in its journals, and
// reads ask the primary, whatever the handle given to New is set to. So what
// was acknowledged is not lost, and later reads see it, with one exception:
// while the members elect another primary because they lost sight of the old
// one, the old one can go on answering reads until it steps down, by default
// after ten seconds. In that time a process that has not heard of the new
// primary may let in an access token that was just revoked, or not know one
// that was just issued. [Options.Linearizable] closes that gap, at the cost of
// a round trip between the members for each read.
//
// What is issued never rests on a read alone. Every answer with a token needs
// an insert of its own that a majority acknowledges, which the old primary
// cannot get. An insert that finds its place taken waits for the majority too;
// if the server reports that there is none, the request fails and may be
// retried.
//
// A session in the context has no effect on codes, tokens and log entries: they
// are stored at once and are not undone with the caller's transaction. Adding
// and changing clients and users may be part of one; deleting them is not.
//
// Each method ends with its context, with the error of the context. Without a
// deadline, the timeout of the MongoDB client applies, so set one.
// [Model.EnsureIndexes] is the exception: it may take as long as it needs.
//
// # Documents
//
// Documents can be read in a shell. The _id of codes and tokens is their
// [oauth2server.Digest]; nothing in the database can be presented as a
// credential. Times are dates, scopes are arrays. The names of the collections
// have the prefix "oauth2_", unless [Options] change it.
//
//	clients              _id (client id), redirect_uris, grants, scope, public, access_token_lifetime and
//	                     refresh_token_lifetime ("1h30m0s"), secret_digest, data; former_secret_digest and
//	                     former_secret_until while a second secret goes on
//	                     _id ("deleted—" and a client id), deleted_at, grants (empty): a client that was deleted
//	users                _id (user id), username, password_hash, data; deleted_at while they are being deleted
//	authorization_codes  _id (digest), client_id, user_id, grant_id, scope, oauth2_expires_at, oauth2_record
//	access_tokens        _id (digest), client_id, user_id, grant_id, scope, oauth2_expires_at, oauth2_record
//	refresh_tokens       _id (digest), client_id, user_id, grant_id, scope, oauth2_expires_at, oauth2_record
//	grants               _id (grant id, ":", place in ten digits), grant_id, seq, kind, client_id, user_id, time,
//	                     oauth2_expires_at, oauth2_record
//
// A record is the JSON that MarshalBinary of the stored value wrote, and the
// only field that is read back. The fields beside it are copies, for indexes
// and for people. Fields without a value are left out; a document without
// oauth2_expires_at never expires.
//
// A document is ours if it has the field oauth2_record, or for clients grants,
// or for users password_hash. Other documents in a collection of the same name
// are left alone: they are not listed, changed, deleted or expired, and the
// index of usernames does not count them. A lookup by _id that finds one fails
// with an error that names it.
//
// Codes and tokens may be sharded by a hashed _id, grants by a hashed grant_id.
// Clients and users stay on one shard, as usernames must be unique. See
// docs/mongodb.md and docs/scaling.md.
//
// # Documents written by hand
//
// A client needs grants, even if that is empty, and secret_digest, which is
// [oauth2server.Digest] of its secret, or the same SHA-256 in another base64 or
// in hexadecimal; a public one needs public: true instead. The other fields may
// be left out. Lists may be written as words with spaces between them,
// lifetimes as whole seconds. A user needs username and password_hash: a hash
// of another program ($2b$, $2y$, $argon2id$, $scrypt$; not $2a$, for which
// there is AddUserHash). A field that cannot be used is a fault; its error, in
// the server's log, names collection, _id and field.
package mongomodel
