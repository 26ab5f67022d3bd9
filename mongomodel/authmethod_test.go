package mongomodel

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// Documents that people wrote by hand: fields of other packages do no harm, and
// a method that would lock the client out is refused with the reason.
func TestAuthMethodsByHand(t *testing.T) {
	read := func(more bson.E) (clientDocument, error) {
		raw, err := bson.Marshal(bson.D{{Key: "_id", Value: "web"}, {Key: "grants", Value: bson.A{"client_credentials"}},
			{Key: "secret_digest", Value: "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"}, more})
		require.NoError(t, err)
		var d clientDocument
		return d, bson.Unmarshal(raw, &d)
	}
	for _, value := range []any{nil, "", "private_key_jwt"} {
		_, err := read(bson.E{Key: "auth_method", Value: value})
		require.NoError(t, err, value)
	}
	_, err := read(bson.E{Key: "token_endpoint_auth_method", Value: "client_secret_basic"})
	require.NoError(t, err)
	for _, value := range []any{"client_secret_basic", "client_secret_post", "none", 7} {
		_, err := read(bson.E{Key: "auth_method", Value: value})
		require.ErrorContains(t, err, "auth_method", value)
	}
	_, err = read(bson.E{Key: "authMethod", Value: "private_key_jwt"})
	require.ErrorContains(t, err, `write "auth_method"`)
}
