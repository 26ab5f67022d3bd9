// This file keeps records in files, for programs without a database.

package keys

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/seed-11d18166/oauth2server"
)

// Files returns records in files of a folder, for [Kept]. Only the user of the
// process can read them. Processes on several machines need a folder that all of
// them see, on a file system with hard links. A key has 180 bytes at most, and
// files of records that have expired stay.
func Files(dir string) (oauth2server.RecordModel, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return files(dir), nil
}

type files string

func (dir files) path(key string) string {
	return filepath.Join(string(dir), base64.RawURLEncoding.EncodeToString([]byte(key)))
}

// SaveRecord implements [oauth2server.RecordModel]. The file gets its name when
// it is complete, so nobody reads a part of it.
func (dir files) SaveRecord(_ context.Context, key string, record []byte, expiresAt time.Time) error {
	f, err := os.CreateTemp(string(dir), ".new-*")
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(append(binary.BigEndian.AppendUint64(nil, uint64(expiresAt.UnixMilli())), record...))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	err = os.Link(f.Name(), dir.path(key)) // fails if there is one
	if errors.Is(err, os.ErrExist) {
		return oauth2server.ErrExists
	}
	return err
}

// GetRecord implements [oauth2server.RecordModel].
func (dir files) GetRecord(_ context.Context, key string) ([]byte, error) {
	text, err := os.ReadFile(dir.path(key))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, oauth2server.ErrNotFound
	case err != nil:
		return nil, fmt.Errorf("keys: %w", err)
	case len(text) < 8:
		return nil, fmt.Errorf("keys: %s is broken", dir.path(key))
	}
	if time.Now().UnixMilli() >= int64(binary.BigEndian.Uint64(text)) {
		return nil, oauth2server.ErrNotFound
	}
	return text[8:], nil
}
