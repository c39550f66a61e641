package api

// TransferList answers GET /v1/transfers: the transfers in which the agent that
// was asked takes part now.
type TransferList struct {
	Node      string     `json:"node"`
	Transfers []Transfer `json:"transfers"` // sorted by digest
}

// Transfer is an agent's part in moving one artifact. It begins anew when the
// agent leaves and comes back.
type Transfer struct {
	Digest   string `json:"digest"`
	Role     string `json:"role"`     // "representative of ams1, root", "initial seeder", "member"
	Spans    int    `json:"spans"`    // of the content; 0 while the manifest is not known
	Missing  int    `json:"missing"`  // of these, not on disk
	Unserved int    `json:"unserved"` // of those missing, that no connected peer has
	Peers    []Peer `json:"peers"`    // who was ever connected, sorted by name
}

// Peer is what an agent has had to do with another node, or another BitTorrent
// client, in one transfer. Amounts are bytes of block payload.
type Peer struct {
	Name      string `json:"name"`     // of the node, or "foreign:" and the address of a client
	Location  string `json:"location"` // "" is the root, and for clients
	Initial   bool   `json:"initial,omitempty"`
	Foreign   bool   `json:"foreign,omitempty"`
	Connected bool   `json:"connected"`
	Down      int64  `json:"down"`      // from it
	Up        int64  `json:"up"`        // to it
	Duplicate int64  `json:"duplicate"` // of Down, thrown away: there already, or asked of another
	Bad       int64  `json:"bad"`       // of Down, proven wrong
	Requests  int    `json:"requests"`  // to it
	Rejects   int    `json:"rejects"`   // by it
	// LatencySeconds is the least time from a request to its data, Rate what it
	// sends in bytes per second; 0 if not known, or not connected.
	LatencySeconds float64 `json:"latency_seconds"`
	Rate           int64   `json:"rate"`
	Window         int     `json:"window"` // bytes that it may owe
	Owed           int     `json:"owed"`   // bytes that it does
}
