// Package traces reads what agents traced, and tells how long STARTs were on
// their way and when the overlay changed.
package traces
