package rivals

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"
)

// rpcPort is where an aria2 is asked how far it is, on its host's loopback.
const rpcPort = 6800

// rpc asks the aria2 of a peer.
type rpc struct {
	peer   *peer
	client http.Client
}

func newRPC(p *peer) *rpc {
	dial := func(ctx context.Context, network, address string) (conn net.Conn, err error) {
		err = p.host.Do(func() error {
			var d net.Dialer
			conn, err = d.DialContext(ctx, network, address)
			return err
		})
		return conn, err
	}
	return &rpc{peer: p, client: http.Client{Transport: &http.Transport{DialContext: dial}, Timeout: 5 * time.Second}}
}

// ask returns how far the torrent is.
func (c *rpc) ask(ctx context.Context) (download, error) {
	const call = `{"jsonrpc": "2.0", "id": "1", "method": "aria2.tellActive", "params": [["completedLength", "uploadLength", "seeder"]]}`
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprintf("http://127.0.0.1:%d/jsonrpc", rpcPort), bytes.NewReader([]byte(call)))
	if err != nil {
		return download{}, err
	}
	resp, err := c.client.Do(q)
	if err != nil {
		return download{}, err
	}
	defer resp.Body.Close()
	var answer struct {
		Result []download `json:"result"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return download{}, fmt.Errorf("aria2 of %s: %w", c.peer.node, err)
	}
	if len(answer.Result) == 0 {
		return download{}, errIdle
	}
	return answer.Result[0], nil
}
