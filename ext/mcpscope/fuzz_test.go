// This file checks that whatever a parser takes as a call of a tool needs the
// scope of that tool, however it is spelt.

package mcpscope_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// called returns the tools that a reader could take a body as a call of.
func called(body string) (tools []string) {
	for decoder := json.NewDecoder(strings.NewReader(body)); ; {
		var document json.RawMessage
		if decoder.Decode(&document) != nil {
			return tools
		}
		tools = append(tools, strict(document)...)
		tools = append(tools, lenient(document, "")...)
	}
}

// strict reads messages as encoding/json does: keys in any case, and the last
// of equal keys counts.
func strict(document json.RawMessage) (tools []string) {
	type message struct{ Params struct{ Name string } }
	var one message
	var batch []message
	if json.Unmarshal(document, &one) == nil {
		tools = append(tools, one.Params.Name)
	}
	if json.Unmarshal(document, &batch) == nil {
		for _, m := range batch {
			tools = append(tools, m.Params.Name)
		}
	}
	return tools
}

// lenient takes each string with the key name in a value with the key params,
// at any depth, and looks through arrays.
func lenient(value json.RawMessage, inside string) (tools []string) {
	decoder := json.NewDecoder(bytes.NewReader(value))
	opens, err := decoder.Token()
	if err != nil {
		return nil
	}
	for (opens == json.Delim('{') || opens == json.Delim('[')) && decoder.More() {
		key := inside
		if opens == json.Delim('{') {
			token, _ := decoder.Token()
			key = strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(token.(string)))
		}
		var member json.RawMessage
		if decoder.Decode(&member) != nil {
			return tools
		}
		var name string
		if inside == "params" && key == "name" {
			for text := member; len(text) > 0; text = unwrapped(text) {
				if json.Unmarshal(text, &name) == nil {
					tools = append(tools, name)
				}
			}
		}
		tools = append(tools, lenient(member, key)...)
	}
	return tools
}

// unwrapped returns the first element of an array.
func unwrapped(text json.RawMessage) json.RawMessage {
	var elements []json.RawMessage
	if json.Unmarshal(text, &elements) != nil || len(elements) == 0 {
		return nil
	}
	return elements[0]
}

func FuzzTools(f *testing.F) {
	for _, seed := range []string{
		call("note"), call("wipe"), "[" + call("whoami") + "," + call("note") + "]",
		`{"Params":{"name":"note"}}`, `{"params":{"name":"whoami","NAME":"note"}}`,
		`{"par_ams":[{"na-me":["note"]}]}`, `{"params":[{"a":1},{"name":"note"}]}`, `{"p\u0061rams":{"name":"n\u006fte"}}`,
		`{"params":{"a":{"params":[{"name":"note"}]},"name":"wipe"}}`,
		`{"params":{"a":"\\\"","b":[],"c":{},"name":"note"}} {}`, "{\"params\":{\"name\":\"no\xffte\"}}",
	} {
		f.Add(seed, "")
	}
	f.Add(call("whoami"), "note")
	f.Add(`{}`, "=?base64?bm90ZQ==?=")
	f.Fuzz(func(t *testing.T, body, header string) {
		needed := strings.Fields(required(t, "POST", body, header))
		require.Contains(t, needed, "read")
		for _, tool := range append(called(body), header) {
			for _, scope := range strings.Fields(byTool[tool]) {
				require.True(t, slices.Contains(needed, scope), "%q calls %s", body, tool)
			}
		}
	})
}
