// This file puts what a client said into its ID, and reads it back.

package registration

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash"
	"strings"

	"github.com/seed-11d18166/oauth2server"
	"github.com/seed-11d18166/oauth2server/internal/clientdata"
)

const (
	// sealedPrefix begins an ID. The number is that of its form.
	sealedPrefix = "dcr.1."

	// maxID is the length that [oauth2server.CheckClient] allows.
	maxID = 2048

	minKey     = 32 // bytes
	macSize    = 16 // bytes of SHA-256
	secretSize = 33 // bytes of SHA-512: 44 characters, without padding
)

// seal makes IDs of what clients said (RFC 7591, appendix A.5.2).
type seal struct{ keys [][]byte } // the first one makes new IDs

// content is what an ID has, in JSON and base64url, between the prefix and the
// MAC.
type content struct {
	RedirectURIs []string `json:"u"`
	Refresh      bool     `json:"r,omitempty"` // it may refresh
	Name         string   `json:"n,omitempty"`
	URI          string   `json:"w,omitempty"`

	// Nonce is there if the client has a secret: two clients that say the same
	// must not share it. Public ones share an ID, as they have nothing to hide
	// from each other.
	Nonce []byte `json:"s,omitempty"`
}

var encoding = base64.RawURLEncoding

func (s *seal) check() error {
	for i, key := range s.keys {
		if len(key) < minKey {
			return fmt.Errorf("key %d has %d bytes: it needs %d", i, len(key), minKey)
		}
	}
	return nil
}

// register sets the ID of a client, and returns its secret; empty for a public
// client.
func (s *seal) register(client *oauth2server.Client) (secret string, err error) {
	c := content{RedirectURIs: client.RedirectURIs, Refresh: len(client.Grants) > 1, Name: client.Name, URI: client.URI}
	if !client.Public {
		c.Nonce = make([]byte, 16)
		rand.Read(c.Nonce) // it never fails
	}
	var text bytes.Buffer
	writer := json.NewEncoder(&text)
	writer.SetEscapeHTML(false) // an ID is not HTML, and should be short
	if err := writer.Encode(c); err != nil {
		return "", err
	}
	id := sealedPrefix + encoding.EncodeToString(bytes.TrimSuffix(text.Bytes(), []byte("\n")))
	id += "." + macOf(s.keys[0], id)
	if len(id) > maxID {
		return "", &oauth2server.Error{Code: clientdata.InvalidClientMetadata, Reason: "client_metadata",
			Description: fmt.Sprintf("Invalid client metadata: redirection URIs and texts are too long together: "+
				"the ID would have %d characters, and may have %d", len(id), maxID)}
	}
	if client.ID = id; client.Public {
		return "", nil
	}
	return secretOf(s.keys[0], id), nil
}

// find returns the client with an ID that one of the keys has made; nil if there
// is none, or if secret is not empty and not the client's.
func (s *seal) find(id, secret string) *oauth2server.Client {
	sealed, isSealed := strings.CutPrefix(id, sealedPrefix)
	sealed, sum, _ := strings.Cut(sealed, ".")
	if !isSealed {
		return nil
	}
	for _, key := range s.keys {
		// Compared as text: several texts decode to the same bytes.
		if !hmac.Equal([]byte(macOf(key, sealedPrefix+sealed)), []byte(sum)) {
			continue
		}
		text, err := encoding.DecodeString(sealed)
		var c content
		if err != nil || json.Unmarshal(text, &c) != nil {
			return nil // nothing that register has made
		}
		public := len(c.Nonce) == 0
		if secret != "" && (public || !hmac.Equal([]byte(secretOf(key, id)), []byte(secret))) {
			return nil
		}
		client := &oauth2server.Client{ID: id, RedirectURIs: c.RedirectURIs, Grants: []string{"authorization_code"},
			Name: c.Name, URI: c.URI, Public: public, SelfAsserted: true}
		if c.Refresh {
			client.Grants = append(client.Grants, "refresh_token")
		}
		return client
	}
	return nil
}

func macOf(key []byte, sealed string) string { return mac(sha256.New, key, "id", sealed, macSize) }

func secretOf(key []byte, id string) string { return mac(sha512.New, key, "secret", id, secretSize) }

// mac returns a MAC of a text, for one use.
func mac(algorithm func() hash.Hash, key []byte, use, text string, size int) string {
	h := hmac.New(algorithm, key)
	h.Write([]byte(use + "\x00" + text))
	return encoding.EncodeToString(h.Sum(nil)[:size])
}
