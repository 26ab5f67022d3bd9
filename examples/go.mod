module github.com/seed-11d18166/oauth2server/examples

go 1.25.0

require (
	github.com/alexedwards/scs/v2 v2.9.0
	github.com/seed-11d18166/oauth2server v0.0.0
	github.com/stretchr/testify v1.12.1
	golang.org/x/crypto v0.55.0
	golang.org/x/oauth2 v0.36.0
)

require go.yaml.in/yaml/v3 v3.0.5 // indirect

replace github.com/seed-11d18166/oauth2server => ../
