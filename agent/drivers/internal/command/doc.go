// Package command runs the programs of a database for a driver: as the user who
// owns the data, without the driver's environment, and never longer than the
// driver itself lives.
package command
