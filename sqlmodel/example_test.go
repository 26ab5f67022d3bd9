// This file shows how to use one's own tool for migrations.

package sqlmodel_test

import (
	"database/sql"
	"fmt"
	"strings"

	"github.com/seed-11d18166/oauth2server/sqlmodel"
)

// With each version of the package, a program writes what is new in the tables
// into a file for its own tool. The number in the name of the last file is the
// version that it passes the next time.
func ExampleGrants_Schema() {
	var db *sql.DB // that of the program; Schema sends nothing
	model := sqlmodel.New(db, sqlmodel.PostgreSQL, nil)

	last := 0 // no file yet
	statements, err := model.Schema(last)
	if err != nil {
		fmt.Println(err)
		return
	}
	if statements == "" {
		return // the tables are up to date
	}
	fmt.Printf("oauth2_%04d.sql: %s\n", sqlmodel.SchemaVersion(), strings.SplitAfter(statements, "(")[0])

	statements, err = model.Schema(sqlmodel.SchemaVersion())
	fmt.Printf("%q %v\n", statements, err)
	// Output:
	// oauth2_0001.sql: CREATE TABLE IF NOT EXISTS oauth2_codes (
	// "" <nil>
}
