package pluginapi

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	databasev1 "github.com/rackswarm/rackswarm/core/pluginapi/proto/database/v1"
)

// DatabasePlugin is the plugin of go-plugin that carries a DatabaseDriver. Its
// client is a DatabaseDriver, too; see ErrHangs for what that one returns beside
// *Error.
type DatabasePlugin struct {
	plugin.NetRPCUnsupportedPlugin
	// Grace is what a driver has to end a call that was cancelled.
	Grace time.Duration

	driver DatabaseDriver
	calls  *calls
}

var _ plugin.GRPCPlugin = (*DatabasePlugin)(nil)

// GRPCServer registers the driver.
func (p *DatabasePlugin) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	if p.driver == nil {
		return errors.New("serve a database driver: it is nil")
	}
	databasev1.RegisterDatabaseDriverServer(s, &databaseServer{driver: p.driver, calls: p.calls})
	return nil
}

// GRPCClient returns a DatabaseDriver that asks the process behind conn.
func (p *DatabasePlugin) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	rpc := databasev1.NewDatabaseDriverClient(conn)
	settle := func(ctx context.Context, call uint64) error {
		_, err := rpc.Settle(ctx, &databasev1.SettleRequest{Call: call})
		return err
	}
	return &databaseClient{rpc: rpc, caller: caller{grace: p.Grace, settleCall: settle}}, nil
}
