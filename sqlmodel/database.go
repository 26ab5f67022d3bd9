// This file sends statements, and sorts their errors.

package sqlmodel

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/seed-11d18166/oauth2server"
)

// database is a handle with the names of the tables and the dialect.
type database struct {
	db      *sql.DB
	dialect Dialect
	tables  *strings.Replacer
	prepare bool

	// wrong is the error about the arguments of New, or nil.
	wrong error
}

// usable returns the error about the arguments of New, or nil. [Grants.Schema]
// needs no db.
func (d *database) usable() error {
	if d.wrong == nil && d.db == nil {
		return errors.New("sqlmodel: the *sql.DB is nil")
	}
	return d.wrong
}

// statement is a statement that is sent often. It is prepared at its first use,
// once for each connection.
type statement struct {
	*database
	what, text string
	prepared   atomic.Pointer[sql.Stmt]
}

// statement returns a statement for a text with {tables} and question marks.
// Errors call it what.
func (d *database) statement(what, text string) *statement {
	return &statement{database: d, what: what, text: d.dialect.numbered(d.tables.Replace(text))}
}

// once returns the statement as one that is not prepared, as the same text is
// rarely sent again.
func (s *statement) once() *statement {
	own := *s.database
	own.prepare = false
	return &statement{database: &own, what: s.what, text: s.text}
}

// handle is a statement, prepared or not.
type handle interface {
	ExecContext(ctx context.Context, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, args ...any) (*sql.Rows, error)
}

// unprepared is a statement whose text is sent each time.
type unprepared struct{ *statement }

func (u unprepared) ExecContext(ctx context.Context, args ...any) (sql.Result, error) {
	return u.db.ExecContext(ctx, u.text, args...)
}

func (u unprepared) QueryContext(ctx context.Context, args ...any) (*sql.Rows, error) {
	return u.db.QueryContext(ctx, u.text, args...)
}

// handle returns what sends the statement, and prepares it the first time. Two
// callers may do so at once; then one result is kept.
func (s *statement) handle(ctx context.Context) (handle, error) {
	if err := s.usable(); err != nil {
		return nil, err
	}
	if !s.prepare {
		return unprepared{s}, nil
	}
	if there := s.prepared.Load(); there != nil {
		return there, nil
	}
	made, err := s.db.PrepareContext(ctx, s.text)
	if err != nil {
		return nil, err
	}
	if s.prepared.CompareAndSwap(nil, made) {
		return made, nil
	}
	made.Close() // the other one is as good
	return s.prepared.Load(), nil
}

// exec returns how many rows a statement affected.
func (s *statement) exec(ctx context.Context, args ...any) (affected int64, err error) {
	err = try(ctx, s.what, func() error {
		handle, err := s.handle(ctx)
		if err != nil {
			return err
		}
		result, err := handle.ExecContext(ctx, args...)
		if err != nil {
			return err
		}
		affected, err = result.RowsAffected()
		return err
	})
	return affected, err
}

// all returns what scan makes of each row of a statement.
func all[T any](
	ctx context.Context, s *statement, scan func(*sql.Rows) (T, error), args ...any,
) (found []T, err error) {
	err = try(ctx, s.what, func() error {
		found = nil
		handle, err := s.handle(ctx)
		if err != nil {
			return err
		}
		rows, err := handle.QueryContext(ctx, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			one, err := scan(rows)
			if err != nil {
				return err
			}
			found = append(found, one)
		}
		return rows.Err()
	})
	return found, err
}

// first returns what scan makes of the only row of a statement. Without one, the
// error is [oauth2server.ErrNotFound].
func first[T any](
	ctx context.Context, s *statement, scan func(*sql.Rows) (T, error), args ...any,
) (one T, err error) {
	found, err := all(ctx, s, scan, args...)
	if err != nil {
		return one, err
	}
	if len(found) == 0 {
		return one, oauth2server.ErrNotFound
	}
	return found[0], nil
}

// text reads a row of one column.
func text(rows *sql.Rows) (s string, err error) {
	err = rows.Scan(&s)
	return s, err
}

// change requires that a statement affects a row. It is the single-use gate: of
// concurrent callers that delete a row, one finds it there.
func (s *statement) change(ctx context.Context, args ...any) error {
	affected, err := s.exec(ctx, args...)
	if err == nil && affected == 0 {
		return oauth2server.ErrNotFound
	}
	return err
}

// tries is how often a statement is sent at most.
const tries = 8

// try calls do, and again while its error is transient, tries times in all. The
// error says what was being done.
func try(ctx context.Context, what string, do func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := do()
	for wait, n := 2*time.Millisecond, 1; err != nil && n < tries && transient(err); n++ {
		select {
		case <-ctx.Done():
		case <-time.After(wait/2 + rand.N(wait)):
		}
		if ctx.Err() != nil {
			break
		}
		wait *= 2
		err = do()
	}
	switch ended := ctx.Err(); {
	case err == nil:
		return nil
	case ended != nil && !errors.Is(err, ended):
		return fmt.Errorf("sqlmodel: %s: %w: %w", what, ended, err)
	}
	return fmt.Errorf("sqlmodel: %s: %w", what, err)
}

// maxID is how many bytes an ID may have: few more fit into an index of MySQL.
const maxID = 2048

// isText reports whether these IDs or names can be stored. PostgreSQL refuses
// others with an error, though simply nothing is stored under them.
func isText(texts ...string) bool {
	for _, text := range texts {
		if len(text) > maxID || !utf8.ValidString(text) || strings.Contains(text, "\x00") {
			return false
		}
	}
	return true
}

// checkIDs returns an error if the IDs of a client and a user cannot be stored.
func checkIDs(ids ...string) error {
	for _, id := range ids {
		if !isText(id) {
			return fmt.Errorf("sqlmodel: the ID %.100q has more than %d bytes, or is not UTF-8 without NUL", id, maxID)
		}
	}
	return nil
}

// millis is a time as it is stored: milliseconds since 1970, so that no time zone
// matters. The zero time is nil, which is NULL.
func millis(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}
