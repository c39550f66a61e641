// Package usage tells from /proc what processes of this machine have used.
package usage
