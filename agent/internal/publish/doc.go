// Package publish turns content on this machine into a manifest, and takes in
// content that a client streams.
//
// Build hashes a file or a tree on all cores. Files are read in blocks: small
// files, one block each, keep the cores busy beside each other, and the blocks
// of a large file are hashed side by side too, so that one big image is as fast
// as many small files. Workers fetch their jobs in order and own them; nothing else is
// shared but what they write for the file that their block belongs to.
//
// Extract unpacks what a client sends through os.Root, under the rules of
// core/client/pack, and leaves nothing behind when it fails.
package publish
