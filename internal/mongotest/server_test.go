package mongotest

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The program is still being written when it is started.
func TestABusyProgramIsWaitedFor(t *testing.T) {
	path, err := built()
	require.NoError(t, err)
	program, err := os.Open(path)
	require.NoError(t, err)
	defer program.Close()
	writing, err := os.OpenFile(filepath.Join(t.TempDir(), "ferretdb"), os.O_CREATE|os.O_WRONLY, 0o700)
	require.NoError(t, err)
	_, err = io.Copy(writing, program)
	require.NoError(t, err)
	time.AfterFunc(250*time.Millisecond, func() { writing.Close() })
	server := &Server{}
	require.NoError(t, server.launch(writing.Name(), "127.0.0.1:0"))
	server.Kill()
}

func TestADatabaseInAURI(t *testing.T) {
	for uri, want := range map[string]string{
		"mongodb://a:1":                                "mongodb://a:1/db?",
		"mongodb://a:1,b:2/?replicaSet=rs0":            "mongodb://a:1,b:2/db?replicaSet=rs0",
		"mongodb://u:p@a:1":                            "mongodb://u:p@a:1/db?authSource=admin",
		"mongodb://u:p@a:1/users?tls=true":             "mongodb://u:p@a:1/db?authSource=users&tls=true",
		"mongodb+srv://u:p@c.example/?authSource=auth": "mongodb+srv://u:p@c.example/db?authSource=auth",
	} {
		require.Equal(t, want, naming(uri, "db"))
	}
}
