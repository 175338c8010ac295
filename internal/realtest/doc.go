// Package realtest runs real servers for the tests of other packages.
package realtest
