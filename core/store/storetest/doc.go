// Package storetest is what every coordination store must do, as one suite that
// runs against a real Redis and the embedded one, and helpers that start real
// Redis servers for the tests of other packages.
package storetest
