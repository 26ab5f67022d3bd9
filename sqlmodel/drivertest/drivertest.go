// Package drivertest tests sqlmodel with the drivers that people use. It is a
// module of its own, so that programs that use sqlmodel do not depend on them.
package drivertest
