// Package pgdriver is the driver for PostgreSQL. It works with the programs of
// the installation (psql, pg_basebackup, pg_verifybackup, pg_controldata, pg_ctl)
// as the user to whom the data belong, and keeps nothing in memory between calls.
package pgdriver
