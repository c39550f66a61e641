// Package storage puts artifacts at their destinations and keeps them there.
//
// Content comes to stand in three steps. Prepare looks at what is on the disk
// already: an installed copy, one that an earlier process was staging, an older
// version, or somebody else's content. WriteSpan verifies and stages what came
// from peers. Install swaps the complete content into place, so that at every
// moment either the previous or the new content stands whole at the
// destination. Check looks for drift later and repairs it file by file.
//
// On disk there are, beside the destination and on its filesystem, while work
// is under way, a directory
//
//	.rackswarm-<id>/     mode 0700, locked by flock: one process per staging
//	    tree or file     verified spans only, unless they are still being written
//	    progress         which spans are (see record.go)
//	    prev/            staging of another version, a source for reuse
//	    index            written before the swap: what the new content looks like
//	    ready            written when all is staged: what it looks like
//	    was              what stands looks like, for when it is kept
//	    old-*            rubbish
//	.rackswarm-<id>+mend/  the same for what is missing of content that stands
//	.rackswarm-<id>+kept/  one other version, with its index
//
// and in the agent's state directory
//
//	manifests/<hex>.torrent      of everything staged, installed or served
//	placements/<id>.json         what stands where, with the files' stamps
//	sources/<id>.json            the same for published content served in place
//
// Losing the state directory costs hashing, never content. A stamp (size,
// times, inode) tells without reading that a file is still what was verified.
//
// Below an allowed root all access goes through os.Root, so that no symbolic
// link and no ".." leads out of it (requirement 5 asks for authentic content;
// this keeps it where the operator allowed it).
package storage
