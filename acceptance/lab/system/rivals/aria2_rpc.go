package rivals

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// rpcPort is where an aria2 is asked how far it is, on its host's loopback.
const rpcPort = 6800

// rpcPatience is how long an answer may take.
const rpcPatience = 5 * time.Second

// askAria2 returns how far the torrent of a peer is.
func askAria2(ctx context.Context, p *peer) (download, error) {
	const call = `{"jsonrpc": "2.0", "id": "1", "method": "aria2.tellActive", "params": [["completedLength", "uploadLength", "seeder"]]}`
	ctx, cancel := context.WithTimeout(ctx, rpcPatience)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprintf("http://127.0.0.1:%d/jsonrpc", rpcPort), strings.NewReader(call))
	if err != nil {
		return download{}, err
	}
	text, err := p.host.Fetch(q)
	if err != nil {
		return download{}, err
	}
	var answer struct {
		Result []download `json:"result"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return download{}, fmt.Errorf("aria2 of %s: %w", p.node, err)
	}
	if len(answer.Result) == 0 {
		return download{}, errIdle
	}
	return answer.Result[0], nil
}
