// Package pack reads local content, a file or a directory tree, the same way for
// everyone who publishes it: an agent that hashes a path of its own machine, and
// a client that streams a path to an agent elsewhere.
//
// Scan finds what there is, in a fixed order and without following symbolic
// links, and refuses what cannot be published. Pack writes a tree as a tar
// stream, and Reader reads such a stream under rules that let no entry leave the
// directory that it is unpacked into.
//
// Every failure that the content causes is an *api.Error that names the path
// and the fix.
package pack
