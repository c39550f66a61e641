package api

// Collection answers POST /v1/gc: what the agent that was asked held without
// need, and how much it holds.
type Collection struct {
	Node string `json:"node"`
	// DryRun says that nothing was deleted.
	DryRun bool `json:"dry_run,omitempty"`
	// Items are what was deleted, or could be, sorted by path.
	Items []CollectedItem `json:"items"`
	// FreedBytes is what the items hold, UsedBytes what is left; QuotaBytes is
	// what the node may hold, 0 for any amount.
	FreedBytes int64 `json:"freed_bytes"`
	UsedBytes  int64 `json:"used_bytes"`
	QuotaBytes int64 `json:"quota_bytes,omitempty"`
}

// CollectedItem is something on a node's disk that nothing needs.
type CollectedItem struct {
	Path   string `json:"path"`
	Bytes  int64  `json:"bytes"`
	Reason string `json:"reason"` // such as "staging of no distribution"
}
