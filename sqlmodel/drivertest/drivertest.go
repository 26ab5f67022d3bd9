// Package drivertest has the tests of sqlmodel with the drivers that people use.
// It is a module of its own, so that programs without them need not know them.
package drivertest
