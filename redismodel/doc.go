// Package redismodel is a model of [oauth2server] on Redis 7 or Valkey.
//
// Redis replicates after it has answered, so a failover loses the last writes.
// A token that is lost signs somebody out. A revocation that is lost lets a
// stolen token work again, and a used code or refresh token be used again, until
// it expires. Set [Options.WaitReplicas] to the number of replicas of a server:
// then nothing is acknowledged but what all of them have, and a failover loses
// tokens alone. With a lower number, that holds as far as the replica that takes
// over is one of those that have it. The promise of [oauth2server.GrantLog], that
// an entry is there for good, goes no further than that, and no further than the
// server's persistence: what was written since the last snapshot is gone when a
// server without replicas crashes; with "appendonly yes" and "appendfsync
// everysec" what was written in about the last second, with "appendfsync always"
// nothing. A server that was replaced and is cut off, so that it does not know,
// answers reads by what it has; with WaitReplicas it acknowledges nothing.
//
//	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379", ContextTimeoutEnabled: true})
//	model := redismodel.New(client, &redismodel.Options{WaitReplicas: 1})
//	server, err := oauth2server.New(model, nil)
//
// # Server
//
// maxmemory-policy must be "noeviction", its default: another one makes room by
// forgetting revocations. The commands are those of Redis 7.0; Valkey has them
// too. Everything is stored under a prefix, so the database may have other things
// in it.
//
// A Redis Cluster will do: each script has one key, or keys with the same hash
// tag. So will a client of Sentinel. Reads go to the server that has the writes,
// so a client that reads from replicas is refused, as is a [redis.Ring], which
// forgets what was on a server that does not answer.
//
// # What is stored
//
// Codes, tokens and client secrets are stored as SHA-256 digests, passwords as
// hashes. Codes, tokens and logs expire by themselves, an hour after their time:
// a client that presents one late learns that it has expired, and clocks may
// differ. No job has to delete anything.
package redismodel
