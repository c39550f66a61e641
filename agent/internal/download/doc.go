// Package download fetches what an http or https URL leads to into a file.
//
// Fetch makes sessions until the file is whole. A session's first request asks
// for the next gap, up to its end; while that body arrives, further streams take
// parts from the end of what it has still before it, one more as long as that
// makes the whole faster (growth). What has arrived is in a ledger, which is kept
// beside the file, never ahead of what is on the disk: an interrupted download, or
// one whose agent was killed, goes on with what is missing.
//
// Parts are joined only if the server says by a strong ETag, or a Last-Modified
// that is old enough, that they are of one content. Otherwise it is started over,
// a few times at most. Content encodings are not undone: what is kept is what was
// sent. Headers that the user gives go to the URL's own host only, and neither
// they nor the URL's user, password and query show up in an error or on the disk.
package download
