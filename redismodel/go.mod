module github.com/seed-11d18166/oauth2server/redismodel

go 1.25.0

replace github.com/seed-11d18166/oauth2server => ../

require (
	github.com/redis/go-redis/v9 v9.22.0
	github.com/seed-11d18166/oauth2server v0.0.0-00010101000000-000000000000
	github.com/stretchr/testify v1.12.1
	golang.org/x/crypto v0.55.0
)

require (
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	go.uber.org/atomic v1.11.0 // indirect
	go.yaml.in/yaml/v3 v3.0.6 // indirect
	golang.org/x/sys v0.47.0 // indirect
	golang.org/x/text v0.41.0 // indirect
)
