// This file has what differs between databases.

package sqlmodel

import (
	"errors"
	"strconv"
	"strings"
)

// Dialect is how a database spells what the packages database/sql leaves open.
type Dialect int

const (
	// PostgreSQL is for PostgreSQL 12 and newer, with pgx or lib/pq.
	PostgreSQL Dialect = 1 + iota

	// SQLite is for SQLite 3.35 and newer, with any driver that takes numbered
	// parameters. Give it a busy timeout, and write-ahead logging:
	// docs/sql.md.
	SQLite

	// MySQL is for MySQL 8.0 and MariaDB 10.6 and newer, with
	// go-sql-driver/mysql, and InnoDB.
	MySQL

	// MariaDB is [MySQL].
	MariaDB = MySQL
)

// String returns the name of the database.
func (d Dialect) String() string {
	switch d {
	case PostgreSQL:
		return "PostgreSQL"
	case SQLite:
		return "SQLite"
	case MySQL:
		return "MySQL"
	}
	return "Dialect(" + strconv.Itoa(int(d)) + ")"
}

func (d Dialect) known() bool { return d >= PostgreSQL && d <= MySQL }

// numbered returns a statement with the parameters as the database wants them.
// In the statements of this package a question mark is nothing else.
func (d Dialect) numbered(statement string) string {
	if d == MySQL {
		return statement
	}
	var out strings.Builder
	n := 0
	for part := range strings.SplitSeq(statement, "?") {
		if n > 0 {
			out.WriteString("$" + strconv.Itoa(n))
		}
		out.WriteString(part)
		n++
	}
	return out.String()
}

// ifFree ends an insert that must not replace a row: it has no effect if the key
// is taken. Then the number of affected rows is not that of inserted ones.
func (d Dialect) ifFree() string {
	if d == MySQL {
		// IGNORE would ignore other faults as well. A row that was there counts
		// as two, whether or not the connection counts rows that were only
		// found, if the update changes it.
		return " ON DUPLICATE KEY UPDATE refused = 1 - refused"
	}
	return " ON CONFLICT DO NOTHING"
}

// refused is the column that ifFree changes.
func (d Dialect) refused() string {
	if d == MySQL {
		return ",\n\trefused TINYINT NOT NULL DEFAULT 0"
	}
	return ""
}

// types are the types of columns. Text is compared byte by byte: digests that
// differ in the case of a letter, or in a space at the end, are two.
func (d Dialect) types() *strings.Replacer {
	switch d {
	case PostgreSQL:
		return strings.NewReplacer("KEY(2048)", `TEXT COLLATE "C"`, "KEY(2100)", `TEXT COLLATE "C"`, "KEY(64)", `TEXT COLLATE "C"`,
			"MANY", "TEXT", "NUMBER", "BIGINT", "YESNO", "BOOLEAN")
	case SQLite:
		return strings.NewReplacer("KEY(2048)", "TEXT", "KEY(2100)", "TEXT", "KEY(64)", "TEXT",
			"MANY", "TEXT", "NUMBER", "INTEGER", "YESNO", "BOOLEAN")
	}
	return strings.NewReplacer("KEY(2048)", "VARBINARY(2048)", "KEY(2100)", "VARBINARY(2100)", "KEY(64)", "VARBINARY(64)",
		"MANY", "MEDIUMBLOB", "NUMBER", "BIGINT", "YESNO", "BOOLEAN")
}

// transient reports whether err says that a statement had no effect because of
// others at the same time, so that it may be tried again: a serialization
// failure, a deadlock, a lock that took too long.
func transient(err error) bool {
	var state interface{ SQLState() string } // pgx and lib/pq
	if errors.As(err, &state) {
		return state.SQLState() == "40001" || state.SQLState() == "40P01"
	}
	// The packages of the drivers are not imported, and their types have fields
	// alone.
	text := err.Error()
	for _, sign := range []string{
		"Error 1213 ", // deadlock
		"Error 1205 ", // lock wait timeout
		"Error 1020 ", // MariaDB: the record has changed since the last read
		"SQLITE_BUSY", "database is locked", "database table is locked",
	} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}
