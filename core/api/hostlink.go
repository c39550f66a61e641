package api

// HostLink is what is known of a node's own link.
type HostLink struct {
	Node      string `json:"node"`
	Interface string `json:"interface,omitempty"` // "" while it is not known
	// Measured: the use by others was measured, Age ago (in seconds).
	Measured bool          `json:"measured"`
	Age      float64       `json:"age"`
	Up       LinkDirection `json:"up"`
	Down     LinkDirection `json:"down"`
}
