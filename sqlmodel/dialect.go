// This file has what differs between databases.

package sqlmodel

import (
	"errors"
	"strconv"
	"strings"
)

// Dialect is the SQL that a database understands. The zero value is none of them:
// [Grants.Migrate] returns an error.
type Dialect int

const (
	// PostgreSQL is for PostgreSQL 12 and newer, with pgx or lib/pq.
	PostgreSQL Dialect = 1 + iota

	// SQLite is for SQLite 3.35 and newer, with a driver that takes numbered
	// parameters, such as modernc.org/sqlite. Give it a busy timeout and
	// write-ahead logging: docs/sql.md.
	SQLite

	// MySQL is for MariaDB 10.6 and MySQL 8.0 and newer, with
	// go-sql-driver/mysql, and InnoDB. The tests run on MariaDB only.
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

// numbered returns a statement with its parameters as the database writes them.
// Every question mark in a statement of this package is a parameter.
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

// ifFree ends an insert that must not replace a row: it skips a row whose key is
// taken. Then the number of affected rows differs from that of the given ones.
func (d Dialect) ifFree() string {
	if d == MySQL {
		// INSERT IGNORE would hide other faults. The update changes a column,
		// so a row that is there counts as two, whatever clientFoundRows says.
		return " ON DUPLICATE KEY UPDATE refused = 1 - refused"
	}
	return " ON CONFLICT DO NOTHING"
}

// orSet ends an insert that changes one column of the row whose key, the column
// id, is taken.
func (d Dialect) orSet(column string) string {
	if d == MySQL {
		return " ON DUPLICATE KEY UPDATE " + column + " = VALUES(" + column + ")"
	}
	return " ON CONFLICT (id) DO UPDATE SET " + column + " = excluded." + column
}

// refused defines the column that ifFree changes.
func (d Dialect) refused() string {
	if d == MySQL {
		return ",\n\trefused TINYINT NOT NULL DEFAULT 0"
	}
	return ""
}

// types writes the types of columns. Text is compared byte by byte: IDs that
// differ in the case of a letter, or in a space at the end, are two.
func (d Dialect) types() *strings.Replacer {
	switch d {
	case PostgreSQL:
		return strings.NewReplacer(
			"KEY(2048)", `TEXT COLLATE "C"`, "KEY(2100)", `TEXT COLLATE "C"`, "KEY(64)", `TEXT COLLATE "C"`,
			"MANY", "TEXT", "NUMBER", "BIGINT", "YESNO", "BOOLEAN")
	case SQLite:
		return strings.NewReplacer("KEY(2048)", "TEXT", "KEY(2100)", "TEXT", "KEY(64)", "TEXT",
			"MANY", "TEXT", "NUMBER", "INTEGER", "YESNO", "BOOLEAN")
	}
	return strings.NewReplacer(
		"KEY(2048)", "VARBINARY(2048)", "KEY(2100)", "VARBINARY(2100)", "KEY(64)", "VARBINARY(64)",
		"MANY", "MEDIUMBLOB", "NUMBER", "BIGINT", "YESNO", "BOOLEAN")
}

// transient reports whether err says that concurrent statements kept this one
// from taking effect, so that it may be sent again: a serialization failure, a
// deadlock, a lock that took too long.
func transient(err error) bool {
	var state interface{ SQLState() string } // pgx and lib/pq
	if errors.As(err, &state) {
		return state.SQLState() == "40001" || state.SQLState() == "40P01"
	}
	// The errors of the other drivers have no method to ask, and their types are
	// not imported.
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
