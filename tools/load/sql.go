// This file has the storages of package sqlmodel.

package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/seed-11d18166/oauth2server/internal/servers"
	"github.com/seed-11d18166/oauth2server/sqlmodel"
)

func openSQLite(ctx context.Context, clients int) (*storage, error) {
	dir, err := os.MkdirTemp("", "load")
	if err != nil {
		return nil, err
	}
	source := func(pragmas ...string) string {
		return "file:" + filepath.Join(dir, "db") + "?" + url.Values{"_pragma": append(pragmas, "busy_timeout(10000)",
			"journal_mode(WAL)")}.Encode()
	}
	return openSQL(ctx, "sqlite", sqlmodel.SQLite, source("synchronous(FULL)"),
		source("synchronous(OFF)", "cache_size(-1000000)", "wal_autocheckpoint(100000)"), clients,
		func() error { return os.RemoveAll(dir) }, "ANALYZE")
}

func openPostgreSQL(ctx context.Context, clients int) (*storage, error) {
	s, err := servers.PostgreSQL(ctx, servers.SQL("pgx"), "max_wal_size=4GB")
	if err != nil {
		return nil, err
	}
	return openSQL(ctx, "pgx", sqlmodel.PostgreSQL, s.Source, s.Source+"&synchronous_commit=off", clients,
		s.Stop, "VACUUM ANALYZE", "CHECKPOINT")
}

func openMariaDB(ctx context.Context, clients int) (*storage, error) {
	s, err := servers.MariaDB(ctx, servers.SQL("mysql"), "--innodb-buffer-pool-size=512M")
	if err != nil {
		return nil, err
	}
	return openSQL(ctx, "mysql", sqlmodel.MariaDB, s.Source, s.Source, clients, s.Stop)
}

// openSQL makes the models. filling is a source whose connections need not wait
// for the disk.
func openSQL(ctx context.Context, name string, dialect sqlmodel.Dialect, source, filling string, clients int,
	stop func() error, filled ...string,
) (_ *storage, err error) {
	var open []*sql.DB
	end := func() error {
		var errs []error
		for _, db := range open {
			errs = append(errs, db.Close())
		}
		return errors.Join(append(errs, stop())...)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, end())
		}
	}()
	handle := func(db *sql.DB) *sql.DB {
		db.SetMaxOpenConns(clients)
		db.SetMaxIdleConns(clients)
		open = append(open, db)
		return db
	}
	for _, from := range []string{source, source, filling} {
		db, err := sql.Open(name, from)
		if err != nil {
			return nil, err
		}
		handle(db)
	}
	db, alone := open[0], open[1]
	gathered := &gatherer{db: open[2], numbered: dialect != sqlmodel.MariaDB, atOnce: 500}
	if dialect == sqlmodel.SQLite {
		open[2].SetMaxOpenConns(1) // as it has one writer at a time
		gathered.atOnce = 20       // as this driver searches all parameters for each one
	}
	var sent statements
	m := sqlmodel.New(db, dialect, nil)
	if err := m.Migrate(ctx); err != nil {
		return nil, err
	}
	return &storage{
		model: m, addClient: m.AddClient,
		filling: sqlmodel.New(handle(sql.OpenDB(gathered)), dialect, nil),
		filled: func(ctx context.Context) error {
			if err := gathered.flush(ctx); err != nil {
				return err
			}
			for _, statement := range filled {
				if _, err := db.ExecContext(ctx, statement); err != nil {
					return err
				}
			}
			return nil
		},
		recorded: sqlmodel.New(handle(sql.OpenDB(&recorder{db.Driver(), source, &sent})), dialect, nil),
		sent:     sent.take,
		bare:     bareSQL(alone),
		close:    end,
	}, nil
}

// bareSQL sends prepared statements, and leaves what they return as the driver
// gives it.
func bareSQL(db *sql.DB) func(context.Context, []trip, *place) (func(context.Context) error, error) {
	var mu sync.Mutex
	prepared := map[string]*sql.Stmt{}
	prepare := func(ctx context.Context, text string) (_ *sql.Stmt, err error) {
		mu.Lock()
		defer mu.Unlock()
		if prepared[text] == nil {
			prepared[text], err = db.PrepareContext(ctx, text)
		}
		return prepared[text], err
	}
	return func(ctx context.Context, trips []trip, p *place) (func(context.Context) error, error) {
		makesGrant := true
		var steps []func(context.Context) error
		for _, t := range trips {
			text := t[0].text
			stmt, err := prepare(ctx, text)
			if err != nil {
				return nil, err
			}
			args := append([]any(nil), t[0].args...)
			renew, err := renewSQL(text, t[0].args, args, p)
			if err != nil {
				return nil, err
			}
			insert := strings.HasPrefix(text, "INSERT")
			if insert && strings.Contains(text, "_grants ") {
				makesGrant = t[0].args[1] == int64(1)
			}
			steps = append(steps, func(ctx context.Context) error {
				renew()
				if insert {
					_, err := stmt.ExecContext(ctx, args...)
					return err
				}
				return query(ctx, stmt, args)
			})
		}
		return func(ctx context.Context) error {
			p.next(makesGrant)
			for _, step := range steps {
				if err := step(ctx); err != nil {
					return err
				}
			}
			return nil
		}, nil
	}
}

func query(ctx context.Context, stmt *sql.Stmt, args []any) error {
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	into := make([]any, len(columns))
	for i := range into {
		into[i] = new(any)
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
	}
	return rows.Err()
}

// renewSQL returns a function that replaces args by those of the next round: all
// that have an index, as equal values would make it smaller than it is.
func renewSQL(text string, recorded, args []any, p *place) (func(), error) {
	insert, recordedAt := strings.HasPrefix(text, "INSERT"), time.Now()
	later := func(i int) {
		if expires, ok := recorded[i].(int64); ok {
			args[i] = expires + time.Since(recordedAt).Milliseconds()
		}
	}
	about := func(table string) bool { return strings.Contains(text, "oauth2_"+table+" ") }
	switch {
	case about("clients"):
		return func() {}, nil
	case about("codes") && insert:
		return func() {
			p.code = fresh()
			args[0], args[2], args[3] = p.code, anyUser().ID, p.grant
			later(4)
		}, nil
	case about("codes"):
		return func() { args[0] = p.code }, nil
	case about("tokens") && insert:
		return func() {
			for i := 0; i < len(args); i += 7 {
				args[i+1] = fresh()
				if args[i] == "refresh" {
					p.refresh = args[i+1].(string)
				}
				if recorded[i+4] != "" {
					args[i+3], args[i+4] = anyUser().ID, p.grant
				}
				later(i + 5)
			}
		}, nil
	case about("tokens") && recorded[1] == "access":
		return func() { args[0] = p.anyStored() }, nil
	case about("tokens"):
		return func() { args[0] = p.refresh }, nil
	case about("grants"):
		return func() {
			args[0], args[1] = p.grant, recorded[1].(int64)+int64(p.seq)
			if !insert {
				return
			}
			if recorded[3] != "" {
				args[3] = anyUser().ID
			}
			later(4)
		}, nil
	}
	return nil, fmt.Errorf("no rule for the bare form of: %s", text)
}

// statements are those that were sent.
type statements struct {
	mu   sync.Mutex
	sent []trip
}

func (s *statements) add(text string, values []driver.NamedValue) {
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = v.Value
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, trip{{text, args}})
}

func (s *statements) take() []trip {
	s.mu.Lock()
	defer s.mu.Unlock()
	sent := s.sent
	s.sent = nil
	return sent
}

// recorder connects by a driver, and records prepared statements. The model sends
// no others.
type recorder struct {
	driver driver.Driver
	source string
	sent   *statements
}

func (r *recorder) Driver() driver.Driver { return r.driver }

func (r *recorder) Connect(context.Context) (driver.Conn, error) {
	conn, err := r.driver.Open(r.source)
	return recordedConn{conn, r.sent}, err
}

type recordedConn struct {
	driver.Conn
	sent *statements
}

func (c recordedConn) Prepare(text string) (driver.Stmt, error) {
	stmt, err := c.Conn.Prepare(text)
	return recordedStmt{stmt, text, c.sent}, err
}

type recordedStmt struct {
	driver.Stmt
	text string
	sent *statements
}

func (s recordedStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	s.sent.add(s.text, args)
	return s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
}

func (s recordedStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	s.sent.add(s.text, args)
	return s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
}
