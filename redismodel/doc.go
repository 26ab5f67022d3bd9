// Package redismodel is an [oauth2server.Model] on Redis 7 or Valkey.
//
// Redis replicates after it has answered, so a failover loses the last writes. A
// lost token signs somebody out. A lost revocation lets a stolen token work
// again, or a used code or refresh token be used once more, until it expires.
// Set [Options.WaitReplicas] to the number of replicas of a server: then a
// revocation is acknowledged only when all of them have it, and a failover
// loses tokens alone. With a lower number, a replica that takes over may lack
// revocations.
//
// [oauth2server.GrantLog] promises that an entry stays. Here that depends on the
// replicas and on the server's persistence. When a server without replicas
// crashes, it loses what was written since its last snapshot; with "appendonly
// yes" and "appendfsync everysec" about the last second; with "appendfsync
// always" nothing. A server that was replaced while it was cut off does not
// know, and answers reads from what it has; with WaitReplicas it acknowledges
// no revocation.
//
//	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379", ContextTimeoutEnabled: true})
//	model := redismodel.New(client, nil)
//	server, err := oauth2server.New(model, nil)
//
// With one replica, the second line is
//
//	model := redismodel.New(client, &redismodel.Options{WaitReplicas: 1})
//
// Call [Grants.Check] at the start: it refuses a server that has fewer replicas
// connected than that. Without them, each write that waits fails, though it is
// stored.
//
// # Install
//
// This is a module of its own. Get the library before it:
//
//	go get github.com/seed-11d18166/oauth2server@main
//	go get github.com/seed-11d18166/oauth2server/redismodel@main
//
// With a clone, go.mod needs a second replace, of
// github.com/seed-11d18166/oauth2server/redismodel by ../oauth2server/redismodel.
//
// # Server
//
// Where maxmemory is set, maxmemory-policy must be "noeviction", its default: the
// others make room by forgetting revocations, and [Grants.Check] refuses them. The
// commands are those of Redis 7.0; Valkey has them too. All keys have a prefix, so
// the database may have other things in it.
//
// A Redis Cluster works, as each script has one key, or keys with the same hash
// tag, also while slots move; but while the slot of the users moves, users cannot
// be added or deleted: call again later. A client of Sentinel works too, without
// ReplicaOnly. Reads must go to the server that has the writes. So all calls refuse
// a cluster client that reads from replicas, and [Grants.Check] refuses a server
// that is a replica. All calls also refuse a [redis.Ring], which forgets what was on
// a server that does not answer.
//
// Check asks the server by INFO. A user of the server who may not send it, as with
// "-@dangerous", learns nothing from Check about the policy or a replica: allow
// "+info", or look yourself.
//
// # What is stored
//
// Codes, tokens and client secrets are stored as SHA-256 digests, passwords as
// hashes. Codes, tokens and logs expire by themselves, an hour after their time:
// a client that presents one late learns that it has expired, and clocks may
// differ. No job has to delete anything.
//
// Of a revoked token an empty value stays until the token would have gone, or for
// an hour if it does not expire; of a deleted client or user, a mark for a day. A
// client of Redis whose connection breaks sends a command again, and the first copy
// may arrive after the revocation: it finds these, and revives nothing.
package redismodel
