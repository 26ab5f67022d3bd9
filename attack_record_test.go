// This file compares the fast way of reading records with that of encoding/json.

package oauth2server_test

import (
	"encoding"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/seed-11d18166/oauth2server"
)

// A space at the beginning is not of the plainest form, so encoding/json reads
// the record. Records that are damaged or written by others must mean the same.
func TestRecordsMeanTheSameReadFast(t *testing.T) {
	for _, row := range []struct {
		record string
		empty  func() encoding.BinaryUnmarshaler
	}{
		{`{"v":1,"access_expires_at":1785000000000,"refresh_expires_at":20,"scope":["a","b"],"client_id":"c","user_id":"u",` +
			`"grant_id":"g","grant_seq":3,"grant_scope":["a"],"grant_expires_at":9,"grant_pace":8,"resource":"r"}`,
			func() encoding.BinaryUnmarshaler { return new(oauth2server.Token) }},
		{`{"v":1,"expires_at":10,"redirect_uri":"https://a.example/","scope":["a"],"client_id":"c","user_id":"u",` +
			`"code_challenge":"x","code_challenge_method":"S256","grant_id":"g","resource":"r"}`,
			func() encoding.BinaryUnmarshaler { return new(oauth2server.AuthorizationCode) }},
		{`{"v":1,"grant_id":"g","seq":2,"kind":"rotate","nonce":"n","time":5,"expires_at":10,"pace":4,"presented":"p",` +
			`"access_token":"a","access_expires_at":7,"successor":"s","successor_expires_at":8,"sealed":"AAEC","client_id":"c",` +
			`"user_id":"u","scope":["a"],"resource":"r","grant_expires_at":11}`,
			func() encoding.BinaryUnmarshaler { return new(oauth2server.GrantEntry) }},
	} {
		same := func(record string) {
			fast, slow := row.empty(), row.empty()
			fastErr, slowErr := fast.UnmarshalBinary([]byte(record)), slow.UnmarshalBinary([]byte(" "+record))
			require.Equal(t, slowErr == nil, fastErr == nil, record)
			if slowErr == nil {
				require.Equal(t, slow, fast, record)
			}
		}
		same(row.record)
		for i := range row.record {
			same(row.record[:i])
			same(row.record[:i] + row.record[i+1:])
			for _, other := range []string{`"`, `,`, `:`, `{`, `}`, `[`, `]`, `\`, ` `, `0`, `-`, `.`, `e`, `=`, "\n", "\xff", "é",
				`"v":1,`, `"scope":["z"],`, `,"seq":9`, `null`, `00`, `999999999999999999`, `9999999999999999999`} {
				same(row.record[:i] + other + row.record[i:])
				same(row.record[:i] + other + row.record[i+1:])
			}
		}
	}
}

// A database refuses text that is no UTF-8, so no record has any, even if a
// caller gave some to the model.
func TestRecordsAreUTF8(t *testing.T) {
	for name, record := range map[string]encoding.BinaryMarshaler{
		"scope of a token": oauth2server.Token{Scope: oauth2server.Scope{"a\xff"}},
		"scope of a code":  oauth2server.AuthorizationCode{Scope: oauth2server.Scope{"a\xff"}},
		"digest":           oauth2server.GrantEntry{Presented: "\xff"},
		"without an error": oauth2server.GrantEntry{Presented: "é"},
	} {
		data, err := record.MarshalBinary()
		require.NoError(t, err, name)
		require.True(t, utf8.Valid(data), "%s: %q", name, data)
	}
}
