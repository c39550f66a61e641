// Package publisher publishes content on this agent: it hashes a path of this
// machine, content that a client streams to it, or what it downloads from a URL,
// signs the manifest with the agent's publisher key, has the reconciler serve the
// content from where it lies, and records the artifact in the coordination store.
// It also has other nodes publish paths of theirs, and does so for them below the
// directories that the configuration opens to them.
//
// Content that was streamed or downloaded lies in <state>/artifacts/<digest>/content,
// beside the identity of the store that recorded it: a copy whose artifact was
// deleted in that store through another agent is deleted too (tidy.go). What is
// still on its way there, or on its way out, lies in directories incoming-*
// beside it, which do not survive a restart, and download-*, which do.
package publisher
