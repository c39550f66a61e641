// Package pgfiles reads and writes the small files of a PostgreSQL data directory,
// and what pg_controldata prints. It is pure: texts in, values out.
package pgfiles
