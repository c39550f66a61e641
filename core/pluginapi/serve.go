package pluginapi

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
)

// ProtocolVersion is what the agent and a driver of this release speak. Another
// version is another service beside core/pluginapi/proto/database/v1.
const ProtocolVersion = 1

// MaxMessage bounds a message between the agent and a driver, in bytes.
const MaxMessage = 1 << 20

// DatabaseName is the name under which a process serves a DatabaseDriver.
const DatabaseName = "database"

// ProgramVariable is set to 3 in the environment of a process whose descriptor 3
// is its own program.
const ProgramVariable = "RACKSWARM_PROGRAM"

// Handshake is what a process has in its environment when an agent started it.
// It tells accidents from intent and protects nothing; mutual TLS does.
var Handshake = plugin.HandshakeConfig{
	MagicCookieKey:   "RACKSWARM_PLUGIN",
	MagicCookieValue: "3c1f7b52-rackswarm-driver",
}

// ServeDatabaseDriver is the main function of a driver's program. It answers the
// agent's calls with d, several at a time, and ends with the agent: never before,
// whatever signals come, and at once with all programs that d started when the
// agent is gone. Programs that shall live on, such as the database's server, need
// a session of their own (setsid) and their output in a file.
//
// What d writes with log/slog, or to os.Stderr and os.Stdout, goes to the agent's
// log.
func ServeDatabaseDriver(d DatabaseDriver) {
	serve("a driver", func(calls *calls) plugin.PluginSet {
		return plugin.PluginSet{DatabaseName: &DatabasePlugin{driver: d, calls: calls}}
	})
}

// serve serves plugins until the agent ends; what says what the program is.
func serve(what string, plugins func(*calls) plugin.PluginSet) {
	if os.Getenv(Handshake.MagicCookieKey) != Handshake.MagicCookieValue {
		path, err := os.Executable()
		if err != nil {
			path = os.Args[0]
		}
		fmt.Fprintf(os.Stderr, "%s is %s, which rackswarm's agent starts. Add it to the catalogue that the setting \"drivers\" of agent.yaml names:\n    sha256sum %s >>/etc/rackswarm/drivers.sha256\n",
			filepath.Base(path), what, path)
		os.Exit(2)
	}
	leaveProgram()
	slog.SetDefault(slog.New(newLogHandler(os.Stderr)))
	outlastSignals()
	go endWithAgent(os.Stdin)
	calls := newCalls()
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig:  Handshake,
		VersionedPlugins: map[int]plugin.PluginSet{ProtocolVersion: plugins(calls)},
		GRPCServer: func(options []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(options,
				grpc.MaxRecvMsgSize(MaxMessage), grpc.MaxSendMsgSize(MaxMessage),
				grpc.UnaryInterceptor(calls.unary), grpc.StreamInterceptor(calls.stream))...)
		},
		Logger: hclog.NewNullLogger(), // it would tell each start and end
	})
}

// leaveProgram gives up what the agent started this program by: descriptor 3 is
// the program's own file, which programs started here would hold open, and the
// process has that number for a name.
func leaveProgram() {
	if path, err := os.Executable(); err == nil {
		_ = os.WriteFile("/proc/self/comm", []byte(filepath.Base(path)), 0)
	}
	if os.Getenv(ProgramVariable) == "3" {
		_ = syscall.Close(3)
		_ = os.Unsetenv(ProgramVariable)
	}
}
