// Package artifact describes immutable content, a file or a tree, by a
// manifest: a BitTorrent v2 info dictionary (BEP 52) plus a publisher's ed25519
// signature over its SHA-256, the digest that names the artifact.
//
// What BEP 52 cannot carry (modes, empty directories, symbolic links, names
// that are not UTF-8) is in info.rackswarm. Times and owners are left out, so
// that the same content has the same digest wherever it is published.
//
// Content is cut into pieces as BEP 52 says: every file starts a piece of its
// own. The unit of ownership, requests and HAVE between our own peers is the
// span: consecutive pieces in file-tree order, greedily up to one piece length,
// so that a tree of many small files moves like one big file.
//
// The package is pure. It decodes with a scanner of its own because manifests
// come from peers: anacrolix/torrent's bencode copies every nested value and
// builds maps, which a hostile manifest turns into many times its size. That
// package and metainfo are the oracle of the tests; merkle does the hashing.
package artifact
