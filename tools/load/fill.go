// This file gathers what SaveToken inserts into statements of many rows.

package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// gatherer is a driver that takes inserts of one row. It reports each as done,
// and sends many of them later in one statement, through db.
type gatherer struct {
	db       *sql.DB
	numbered bool // parameters are $1 and so on
	atOnce   int  // how many rows a statement inserts

	mu   sync.Mutex
	text string
	args []any
	rows int
}

// row is the list of parameters of an insert.
var row = regexp.MustCompile(`\([$\d?, ]+\)`)

func (g *gatherer) add(ctx context.Context, text string, values []driver.NamedValue) error {
	g.mu.Lock()
	if g.text != "" && g.text != text {
		g.mu.Unlock()
		return fmt.Errorf("another statement than %s: %s", g.text, text)
	}
	g.text = text
	for _, v := range values {
		g.args = append(g.args, v.Value)
	}
	g.rows++
	if g.rows < g.atOnce {
		g.mu.Unlock()
		return nil
	}
	return g.flushLocked(ctx)
}

// flush sends what is left.
func (g *gatherer) flush(ctx context.Context) error {
	g.mu.Lock()
	return g.flushLocked(ctx)
}

// flushLocked unlocks, so that batches are sent in parallel.
func (g *gatherer) flushLocked(ctx context.Context) error {
	text, args, rows := g.text, g.args, g.rows
	g.args, g.rows = nil, 0
	g.mu.Unlock()
	if rows == 0 {
		return nil
	}
	at := row.FindStringIndex(text)
	if at == nil {
		return fmt.Errorf("no row of parameters in: %s", text)
	}
	var all strings.Builder
	all.WriteString(text[:at[0]])
	for i := range args {
		switch {
		case i == 0:
			all.WriteString("(")
		case i%(len(args)/rows) == 0:
			all.WriteString("), (")
		default:
			all.WriteString(", ")
		}
		if g.numbered {
			fmt.Fprintf(&all, "$%d", i+1)
		} else {
			all.WriteString("?")
		}
	}
	all.WriteString(")" + text[at[1]:])
	_, err := g.db.ExecContext(ctx, all.String(), args...)
	return err
}

func (g *gatherer) Driver() driver.Driver                        { return g.db.Driver() }
func (g *gatherer) Connect(context.Context) (driver.Conn, error) { return gathererConn{g}, nil }

var errInsertsOnly = errors.New("it inserts, and does nothing else")

type gathererConn struct{ *gatherer }

func (c gathererConn) Prepare(text string) (driver.Stmt, error) {
	return gathererStmt{c.gatherer, text}, nil
}
func (gathererConn) Begin() (driver.Tx, error) { return nil, errInsertsOnly }
func (gathererConn) Close() error              { return nil }

type gathererStmt struct {
	*gatherer
	text string
}

func (s gathererStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return driver.RowsAffected(1), s.add(ctx, s.text, args)
}

func (gathererStmt) Exec([]driver.Value) (driver.Result, error) { return nil, errInsertsOnly }
func (gathererStmt) Query([]driver.Value) (driver.Rows, error)  { return nil, errInsertsOnly }
func (gathererStmt) NumInput() int                              { return -1 }
func (gathererStmt) Close() error                               { return nil }
