// This file has the tables, as migrations: each is applied once, in order.

package sqlmodel

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// migrations are the statements of each version. One that has been released is
// never changed. Each may be tried again: where the database cannot undo a part
// of it, that part is skipped the next time.
//
// The columns beside a record are what rows are found by, and for people. Times
// are milliseconds since 1970.
var migrations = [][]string{{
	`CREATE TABLE IF NOT EXISTS {codes} (
	digest KEY(64) NOT NULL PRIMARY KEY,
	client_id KEY(2048) NOT NULL,
	user_id KEY(2048) NOT NULL,
	grant_id KEY(2100) NOT NULL,
	expires_at NUMBER,
	record MANY NOT NULL{refused}{index {codes}_by_expiry (expires_at)}{index {codes}_by_client (client_id)}
)`,
	`CREATE TABLE IF NOT EXISTS {tokens} (
	kind KEY(64) NOT NULL,
	digest KEY(64) NOT NULL,
	client_id KEY(2048) NOT NULL,
	user_id KEY(2048) NOT NULL,
	grant_id KEY(2100) NOT NULL,
	expires_at NUMBER,
	record MANY NOT NULL{refused},
	PRIMARY KEY (digest, kind){index {tokens}_by_expiry (expires_at)}
)`,
	`CREATE TABLE IF NOT EXISTS {grants} (
	grant_id KEY(2100) NOT NULL,
	seq NUMBER NOT NULL,
	client_id KEY(2048) NOT NULL,
	user_id KEY(2048) NOT NULL,
	expires_at NUMBER,
	record MANY NOT NULL{refused},
	PRIMARY KEY (grant_id, seq){index {grants}_by_user (user_id)}{index {grants}_by_client (client_id)}{index {grants}_by_expiry (expires_at)}
)`,
	`CREATE TABLE IF NOT EXISTS {clients} (
	id KEY(2048) NOT NULL PRIMARY KEY,
	public YESNO NOT NULL,
	secret_digest KEY(64) NOT NULL,
	former_secret_digest KEY(64) NOT NULL DEFAULT '',
	former_secret_until NUMBER,
	redirect_uris MANY NOT NULL,
	grants MANY NOT NULL,
	scope MANY NOT NULL,
	auth_method MANY NOT NULL,
	access_token_lifetime KEY(64) NOT NULL,
	refresh_token_lifetime KEY(64) NOT NULL,
	name MANY NOT NULL,
	uri MANY NOT NULL,
	self_asserted YESNO NOT NULL,
	data MANY,
	version NUMBER NOT NULL DEFAULT 0{refused}
)`,
	`CREATE TABLE IF NOT EXISTS {former_clients} (
	id KEY(2048) NOT NULL PRIMARY KEY,
	deleted_at NUMBER NOT NULL{refused}
)`,
	`CREATE TABLE IF NOT EXISTS {users} (
	id KEY(2048) NOT NULL PRIMARY KEY,
	username KEY(2048) NOT NULL UNIQUE,
	password_hash MANY NOT NULL,
	data MANY,
	deleted_at NUMBER,
	version NUMBER NOT NULL DEFAULT 0{refused}
)`,
}}

// grantTables are the tables of [Grants] alone.
var grantTables = []string{"{codes}", "{tokens}", "{grants}"}

// ours are columns by which a table is known to be one of this package: other
// packages have tables of the same names.
var ours = map[string]string{
	"{codes}": "digest, record", "{tokens}": "digest, record", "{grants}": "seq, record",
	"{clients}": "former_secret_digest", "{former_clients}": "deleted_at", "{users}": "password_hash, version",
}

// noted are those columns of the tables that only Migrate makes.
var noted = map[string]string{"{versions}": "version", "{people_versions}": "version"}

// SchemaVersion returns the version of the tables that this package needs. It
// grows by one with each change of them.
func SchemaVersion() int { return len(migrations) }

// Schema returns the statements that make the tables, for programs with a tool of
// their own for migrations: those of the versions behind after up to
// [SchemaVersion], each ended by a semicolon. All of them, with after 0; none, if
// after is that version. A greater one is an error. [Grants.Check] tells whether
// the tables are there.
func (g *Grants) Schema(after int) (string, error) {
	if g.wrong != nil {
		return "", g.wrong
	}
	if after > SchemaVersion() {
		return "", fmt.Errorf("sqlmodel: schema: there is no version %d: the last one is %d", after, SchemaVersion())
	}
	var out strings.Builder
	for version := max(after, 0); version < len(migrations); version++ {
		for _, statement := range g.migration(version, g.parts()...) {
			out.WriteString(statement + ";\n\n")
		}
	}
	return out.String(), nil
}

// part is some of the tables. Their versions are counted by themselves, as a
// program that has [Grants] alone may get clients and users later.
type part struct {
	versions string
	has      func(statement string) bool
}

// parts are those of the model.
func (g *Grants) parts() []part {
	parts := []part{{"{versions}", isOfGrants}}
	if !g.grantsAlone {
		others := func(statement string) bool { return !isOfGrants(statement) }
		parts = append(parts, part{"{people_versions}", others})
	}
	return parts
}

func isOfGrants(statement string) bool {
	return slices.ContainsFunc(grantTables, func(table string) bool { return strings.Contains(statement, table) })
}

// migration returns the statements of a version for some parts, one at a time.
func (g *Grants) migration(version int, parts ...part) (statements []string) {
	for _, text := range migrations[version] {
		if !slices.ContainsFunc(parts, func(p part) bool { return p.has(text) }) {
			continue
		}
		table, indexes := g.split(text)
		statements = append(statements, table)
		statements = append(statements, indexes...)
	}
	return statements
}

// split returns a statement in the words of the dialect, and those that make its
// indexes. MySQL makes an index with its table, as it cannot skip one that is
// there.
func (g *Grants) split(text string) (table string, indexes []string) {
	for {
		before, rest, found := strings.Cut(text, "{index ")
		if !found {
			break
		}
		definition, after, _ := strings.Cut(rest, ")}")
		name, columns, _ := strings.Cut(definition, " (")
		name, of := g.tables.Replace(name), g.tables.Replace(name[:strings.Index(name, "}")+1])
		if g.dialect == MySQL {
			before += ",\n\tINDEX " + name + " (" + columns + ")"
		} else {
			indexes = append(indexes, "CREATE INDEX IF NOT EXISTS "+name+" ON "+of+" ("+columns+")")
		}
		text = before + after
	}
	text = strings.ReplaceAll(text, "{refused}", g.dialect.refused())
	table = g.tables.Replace(g.dialect.types().Replace(text))
	if g.dialect == MySQL {
		table += " ENGINE=InnoDB ROW_FORMAT=DYNAMIC"
	}
	return table, indexes
}

// Migrate makes the tables, and changes those of an earlier version. Call it at
// every start; many processes may do so at once. It also reports what is wrong
// with the arguments of [New]. An older program works on the tables of a newer
// one.
func (g *Grants) Migrate(ctx context.Context) error {
	if err := g.usable(); err != nil {
		return err
	}
	conn, err := g.db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("sqlmodel: migrate: %w", err)
	}
	defer conn.Close()
	return try(ctx, "migrate", func() error {
		// Before anything is made and noted, as MySQL cannot undo it; and outside
		// of a transaction, as PostgreSQL ends one that has an error.
		for _, tables := range []map[string]string{ours, noted} {
			if err := g.requireOurs(ctx, conn, tables, true); err != nil {
				return err
			}
		}
		if err := g.migrate(ctx, conn); err != nil {
			return err
		}
		return g.check(ctx, conn)
	})
}

// Check returns an error if a table is missing or that of another program, or if
// the arguments of [New] are wrong. It changes nothing. It is for programs that
// make the tables by [Grants.Schema]; [Grants.Migrate] ends with it. With SQLite
// and more than one connection, it also refuses a database in memory, and a busy
// timeout of zero.
func (g *Grants) Check(ctx context.Context) error {
	if err := g.usable(); err != nil {
		return err
	}
	conn, err := g.db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("sqlmodel: check: %w", err)
	}
	defer conn.Close()
	return try(ctx, "check", func() error { return g.check(ctx, conn) })
}

func (g *Grants) check(ctx context.Context, conn *sql.Conn) error {
	if g.dialect == SQLite && g.db.Stats().MaxOpenConnections != 1 {
		if err := g.requireShared(ctx, conn); err != nil {
			return err
		}
	}
	return g.requireOurs(ctx, conn, ours, false)
}

// requireShared returns an error if several connections to SQLite would fail
// later: each has a database in memory of its own, or does not wait for a writer.
func (g *Grants) requireShared(ctx context.Context, conn *sql.Conn) error {
	var timeout int64
	if err := conn.QueryRowContext(ctx, "PRAGMA busy_timeout").Scan(&timeout); err != nil {
		return err
	}
	var seq int
	var name, file string
	if err := conn.QueryRowContext(ctx, "PRAGMA database_list").Scan(&seq, &name, &file); err != nil {
		return err
	}
	switch {
	case file == "":
		return errors.New("a database in memory is not shared by connections: use memorymodel, or SetMaxOpenConns(1)")
	case timeout == 0:
		return errors.New("connections to SQLite need a busy timeout: set it in the data source name, as docs/sql.md does")
	}
	return nil
}

// migrate applies what is missing while no other process does.
func (g *Grants) migrate(ctx context.Context, conn *sql.Conn) (err error) {
	unlock, err := g.lock(ctx, conn)
	if err != nil {
		if ctx.Err() != nil || transient(err) {
			return err
		}
		return fmt.Errorf("is this database %v, as New was told? %w", g.dialect, err)
	}
	defer func() { err = errors.Join(err, unlock(err)) }()
	for _, part := range g.parts() {
		if err := g.migratePart(ctx, conn, part); err != nil {
			return err
		}
	}
	return nil
}

// migratePart applies what is missing of some of the tables.
func (g *Grants) migratePart(ctx context.Context, conn *sql.Conn, part part) error {
	versions, _ := g.split(`CREATE TABLE IF NOT EXISTS ` + part.versions + ` (version NUMBER NOT NULL PRIMARY KEY)`)
	if _, err := conn.ExecContext(ctx, versions); err != nil {
		return err
	}
	var done sql.NullInt64
	err := conn.QueryRowContext(ctx, g.tables.Replace(`SELECT MAX(version) FROM `+part.versions)).Scan(&done)
	if err != nil {
		return err
	}
	for version := int(done.Int64); version < len(migrations); version++ {
		for _, statement := range g.migration(version, part) {
			if _, err := conn.ExecContext(ctx, statement); err != nil {
				return fmt.Errorf("version %d: %w", version+1, err)
			}
		}
		_, err := conn.ExecContext(ctx, g.tables.Replace(`INSERT INTO `+part.versions+` (version) VALUES (`)+
			strconv.Itoa(version+1)+`)`)
		if err != nil {
			return err
		}
	}
	return nil
}

// requireOurs returns an error if one of the tables is that of another program:
// to make a table that is there has no effect, and says nothing. A missing one
// is an error too, unless it may be.
func (g *Grants) requireOurs(ctx context.Context, conn *sql.Conn, tables map[string]string, mayMiss bool) error {
	for table, columns := range tables {
		if g.grantsAlone && table != "{versions}" && !slices.Contains(grantTables, table) {
			continue
		}
		name := g.tables.Replace(table)
		probe := func(columns string) error {
			rows, err := conn.QueryContext(ctx, "SELECT "+columns+" FROM "+name+" WHERE 1 = 0")
			if err != nil {
				return err
			}
			return errors.Join(rows.Err(), rows.Close())
		}
		err := probe(columns)
		if err == nil {
			continue
		}
		if ctx.Err() != nil || transient(err) {
			return err
		}
		if probe("1") == nil {
			if err = probe(columns); err == nil {
				continue // another process has just made it
			}
			return fmt.Errorf("the table %s is not of this package: set Options.Prefix, or make it by Schema: %w",
				name, err)
		}
		if !mayMiss {
			return fmt.Errorf("the table %s is missing: make it by Schema, or delete the rows of %s, then call Migrate: %w",
				name, g.tables.Replace(versionsOf(table)), err)
		}
	}
	return nil
}

// versionsOf returns the table that notes the versions of another one.
func versionsOf(table string) string {
	if isOfGrants(table) {
		return "{versions}"
	}
	return "{people_versions}"
}

// lockWait is how long a process waits for another one that migrates, in
// seconds, where the database wants to know.
const lockWait = "3600"

// lock keeps other processes from migrating until unlock is called, with the
// error of the migration. MySQL cannot undo a part of one.
func (g *Grants) lock(ctx context.Context, conn *sql.Conn) (unlock func(error) error, err error) {
	name := "'" + g.tables.Replace("{versions}") + "'"
	end := context.WithoutCancel(ctx)
	if g.dialect == MySQL {
		var got sql.NullInt64
		err := conn.QueryRowContext(ctx, `SELECT GET_LOCK(`+name+`, `+lockWait+`)`).Scan(&got)
		if err == nil && got.Int64 != 1 {
			err = errors.New("another process migrates for more than an hour")
		}
		return func(error) error {
			_, err := conn.ExecContext(end, `DO RELEASE_LOCK(`+name+`)`)
			return err
		}, err
	}
	begin := []string{"BEGIN IMMEDIATE"}
	if g.dialect == PostgreSQL {
		begin = []string{"BEGIN", `SELECT pg_advisory_xact_lock(hashtext(` + name + `))`}
	}
	unlock = func(failed error) error {
		last := "COMMIT"
		if failed != nil {
			last = "ROLLBACK"
		}
		_, err := conn.ExecContext(end, last)
		return err
	}
	for _, statement := range begin {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			unlock(err) // whatever has begun
			return nil, err
		}
	}
	return unlock, nil
}
