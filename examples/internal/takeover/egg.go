// This file reads what the article about egg-oauth2-server stores by Mongoose.

package takeover

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/seed-11d18166/oauth2server"
)

// Egg reads the five collections of the article: clients, users, authcodes,
// tokens and refreshtokens.
func Egg(db *mongo.Database) Source {
	return Source{
		Clients: documents(db, "clients", Clients, eggClient),
		Users:   documents(db, "users", Users, eggUser),
		Codes:   documents(db, "authcodes", Codes, eggCode),
		Tokens: inTurn(
			documents(db, "tokens", AccessTokens, func(d *eggToken) (*oauth2server.Token, error) {
				token, err := d.token(AccessTokens)
				token.AccessToken, token.AccessTokenExpiresAt = d.Token, d.ExpiresAt
				return token, err
			}),
			documents(db, "refreshtokens", RefreshTokens, func(d *eggToken) (*oauth2server.Token, error) {
				token, err := d.token(RefreshTokens)
				token.RefreshToken, token.RefreshTokenExpiresAt = d.Token, d.ExpiresAt
				return token, err
			})),
	}
}

// CheckEgg returns an error if a database has none of the article's collections,
// as its name may be misspelt.
func CheckEgg(ctx context.Context, db *mongo.Database) error {
	there, err := db.ListCollectionNames(ctx, bson.D{})
	if err != nil {
		return err
	}
	for _, name := range []string{"clients", "users", "authcodes", "tokens", "refreshtokens"} {
		if slices.Contains(there, name) {
			return nil
		}
	}
	return fmt.Errorf("the database %q has none of the article's collections", db.Name())
}

// documents reads a collection, the oldest document first, and converts each.
func documents[D, T any](db *mongo.Database, name string, kind Kind, convert func(*D) (T, error)) Records[T] {
	return func(ctx context.Context) iter.Seq2[T, error] {
		return func(yield func(T, error) bool) {
			var none T
			found, err := db.Collection(name).Find(ctx, bson.D{}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}))
			if err != nil {
				yield(none, err)
				return
			}
			defer found.Close(ctx)
			for found.Next(ctx) {
				var document D
				record := none
				// Not the driver's error: it may contain a part of the value.
				err := refuse(kind, "a field is not of the article's type")
				if found.Decode(&document) == nil {
					record, err = convert(&document)
				}
				if !yield(record, err) {
					return
				}
			}
			if err := found.Err(); err != nil {
				yield(none, err)
			}
		}
	}
}

// inTurn reads all sources, one after the other.
func inTurn[T any](all ...Records[T]) Records[T] {
	return func(ctx context.Context) iter.Seq2[T, error] {
		return func(yield func(T, error) bool) {
			for _, read := range all {
				for record, err := range read(ctx) {
					if !yield(record, err) {
						return
					}
				}
			}
		}
	}
}

type eggClientDocument struct {
	ClientID     string `bson:"clientId"`
	ClientSecret string `bson:"clientSecret"`
	RedirectURI  string `bson:"redirectUri"`
	Grants       string `bson:"grants"`
}

func eggClient(d *eggClientDocument) (*Client, error) {
	return &Client{oauth2server.Client{
		ID:           d.ClientID,
		RedirectURIs: list(d.RedirectURI),
		Grants:       list(d.Grants),
	}, d.ClientSecret}, nil
}

// list splits at commas, as the article's getClient does.
func list(text string) (all []string) {
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" && !slices.Contains(all, part) {
			all = append(all, part)
		}
	}
	return all
}

type eggUserDocument struct {
	ID       bson.ObjectID `bson:"_id"`
	UserID   string        `bson:"userId"`
	Username string        `bson:"username"`
	Password string        `bson:"password"`
}

func eggUser(d *eggUserDocument) (*User, error) {
	return &User{ID: d.UserID, Username: d.Username, Password: d.Password, Key: d.ID.Hex()}, nil
}

type eggCodeDocument struct {
	Code        string    `bson:"code"`
	ExpiresAt   time.Time `bson:"expiresAt"`
	RedirectURI string    `bson:"redirectUri"`
	Scope       string    `bson:"scope"`
	ClientID    string    `bson:"clientId"`
	UserID      string    `bson:"userId"`
}

func eggCode(d *eggCodeDocument) (*oauth2server.AuthorizationCode, error) {
	scope, err := parseScope(Codes, d.Scope)
	return &oauth2server.AuthorizationCode{
		Code:        d.Code,
		ExpiresAt:   d.ExpiresAt,
		RedirectURI: d.RedirectURI,
		Scope:       scope,
		Client:      &oauth2server.Client{ID: d.ClientID},
		User:        &oauth2server.User{ID: d.UserID},
	}, err
}

// eggToken is an access token, or a refresh token.
type eggToken struct {
	Token     string    `bson:"token"`
	ExpiresAt time.Time `bson:"expiresAt"`
	Scope     string    `bson:"scope"`
	ClientID  string    `bson:"clientId"`
	UserID    string    `bson:"userId"`
}

func (d *eggToken) token(kind Kind) (*oauth2server.Token, error) {
	scope, err := parseScope(kind, d.Scope)
	return &oauth2server.Token{
		Scope:  scope,
		Client: &oauth2server.Client{ID: d.ClientID},
		User:   &oauth2server.User{ID: d.UserID},
	}, err
}

func parseScope(kind Kind, text string) (oauth2server.Scope, error) {
	scope, err := oauth2server.ParseScope(text)
	if err != nil {
		return nil, refuse(kind, "a scope that is no scope (RFC 6749, section 3.3)")
	}
	return scope, nil
}
