// Package pagecache keeps what passes through the agent from pushing the files of
// others out of the kernel's page cache.
//
// A transfer reads and writes far more than fits, mostly once. What it brings into
// the cache is therefore noted in a Trail and taken out again when enough has
// followed: soon after, as peers ask for a span that has just come, and not later.
// What was in the cache before stays there. Data is written to the disk as it
// comes, so that it can be taken out, and with low priority.
package pagecache
