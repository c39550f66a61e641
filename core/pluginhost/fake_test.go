package pluginhost

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/rackswarm/rackswarm/core/pluginapi"
)

// serveAs is the main function of the driver's program of that file name.
func serveAs(file string) {
	name, isSensor := strings.CutPrefix(file, SensorPrefix)
	name = strings.TrimPrefix(name, Prefix)
	switch name {
	case "mute":
	case "loud":
		fmt.Println("welcome to the database driver")
		_, _ = io.Copy(io.Discard, os.Stdin)
	case "flood":
		fmt.Print(strings.Repeat("x", 1<<20))
		_, _ = io.Copy(io.Discard, os.Stdin)
	case "future":
		plugin.Serve(&plugin.ServeConfig{
			HandshakeConfig:  pluginapi.Handshake,
			VersionedPlugins: map[int]plugin.PluginSet{7: {pluginapi.DatabaseName: &emptyPlugin{}}},
			GRPCServer:       plugin.DefaultGRPCServer,
		})
	case "naked":
		fmt.Printf("1|%d|unix|%s/socket|grpc|\n", pluginapi.ProtocolVersion, os.Getenv("PLUGIN_UNIX_SOCKET_DIR"))
		_, _ = io.Copy(io.Discard, os.Stdin)
	case "elsewhere":
		fmt.Printf("1|%d|tcp|127.0.0.1:1|grpc|%s\n", pluginapi.ProtocolVersion, strings.Repeat("A", 64))
		_, _ = io.Copy(io.Discard, os.Stdin)
	case "asleep":
		_, _ = io.Copy(io.Discard, os.Stdin)
	case "broken":
		fmt.Fprintln(os.Stderr, "no libengine.so here")
		os.Exit(3)
	case "impostor":
		pluginapi.ServeDatabaseDriver(fakeDriver{name: "postgres"})
	case "driver":
		pluginapi.ServeDatabaseDriver(fakeDriver{name: name})
	default:
		if isSensor {
			pluginapi.ServeBandwidthSensor(fakeSensor{name: name})
			return
		}
		pluginapi.ServeDatabaseDriver(fakeDriver{name: name})
	}
}

// emptyPlugin serves nothing.
type emptyPlugin struct{ plugin.NetRPCUnsupportedPlugin }

func (*emptyPlugin) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error { return nil }
func (*emptyPlugin) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, nil
}

// fakeDriver does what the instance's setting "do" says, in Probe and Capture.
type fakeDriver struct {
	pluginapi.DatabaseDriver
	name string
}

func (f fakeDriver) Describe(context.Context) (pluginapi.Description, error) {
	return pluginapi.Description{
		Name: f.name, Engine: "Fake", Version: "1", Versions: []string{"1", "2"}, Pins: true,
		Settings: []pluginapi.Setting{{Name: "do", Help: "what to do", Required: true}},
	}, nil
}

func (f fakeDriver) Probe(ctx context.Context, t pluginapi.Target) (pluginapi.Probe, error) {
	switch what := t.Settings["do"]; what {
	case "exit":
		fmt.Fprintln(os.Stderr, "giving up:", t.Settings["why"])
		os.Exit(4)
	case "die":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "panic":
		panic("index out of luck")
	case "hang":
		touch(t.DataDir)
		select {}
	case "wait":
		touch(t.DataDir)
		<-ctx.Done()
		return pluginapi.Probe{}, fmt.Errorf("stopped: %w", ctx.Err())
	case "fail":
		return pluginapi.Probe{}, fmt.Errorf("probe: %w", &pluginapi.Error{
			Code: pluginapi.CodeState, Subject: t.DataDir, Message: "not \xff now", Fix: "later",
		})
	case "plain":
		return pluginapi.Probe{}, fmt.Errorf("just text")
	case "nil error":
		var e *pluginapi.Error
		return pluginapi.Probe{}, e
	case "huge":
		return pluginapi.Probe{Outside: strings.Split(strings.Repeat(strings.Repeat("x", 999)+"\n", 2000), "\n")}, nil
	case "env":
		return pluginapi.Probe{Outside: os.Environ(), Position: descriptors()}, nil
	case "children":
		return pluginapi.Probe{}, children(t.DataDir)
	case "log":
		slog.Warn("slow disk", "device", "sda", "ms", 12)
		fmt.Fprintln(os.Stderr, "by hand")
		fmt.Println("on stdout")
	case "chatter":
		for i := range 10_000 {
			fmt.Fprintf(os.Stderr, "line %d %s\n", i, strings.Repeat("z", 100))
		}
	}
	return pluginapi.Probe{Kind: pluginapi.KindAbsent, PID: os.Getpid(), Version: comm()}, nil
}

func comm() string {
	text, _ := os.ReadFile("/proc/self/comm")
	return strings.TrimSpace(string(text))
}

// descriptors lists what the process has open of regular files.
func descriptors() string {
	links, _ := filepath.Glob("/proc/self/fd/*")
	var open []string
	for _, l := range links {
		if to, err := os.Readlink(l); err == nil && strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "/dev/") &&
			!strings.HasPrefix(to, "/sys/") { // of Go's runtime
			open = append(open, to)
		}
	}
	return strings.Join(open, " ")
}

// children starts a program in the driver's group and one in a session of its
// own, writes their numbers into dir, and never ends.
func children(dir string) error {
	tool := exec.Command("sleep", "1000")
	server := exec.Command("sleep", "1000")
	server.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	server.Stderr = os.NewFile(2, "stderr") // holds the pipe to the agent
	for name, cmd := range map[string]*exec.Cmd{"tool": tool, "server": server} {
		if err := cmd.Start(); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(fmt.Sprint(cmd.Process.Pid)), 0o600); err != nil {
			return err
		}
	}
	touch(filepath.Join(dir, "ready"))
	select {}
}

func touch(path string) {
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(9)
	}
}

func (f fakeDriver) Capture(ctx context.Context, t pluginapi.Target, c pluginapi.CaptureRequest, progress func(pluginapi.Progress)) (pluginapi.Capture, error) {
	for i := range int64(1000) {
		progress(pluginapi.Progress{Doing: "copying", Done: i + 1, Total: 1000})
	}
	if t.Settings["do"] == "hang" {
		touch(t.DataDir)
		select {}
	}
	return pluginapi.Capture{Version: "1", Start: c.Pin, End: c.Run, Bytes: c.MaxRate}, nil
}

func (f fakeDriver) Verify(_ context.Context, _ pluginapi.Target, dir string, progress func(pluginapi.Progress)) error {
	progress(pluginapi.Progress{Doing: "reading"})
	return &pluginapi.Error{Code: pluginapi.CodeCorrupt, Subject: dir, Message: "a bit fell over"}
}

func (f fakeDriver) Pin(_ context.Context, _ pluginapi.Target, name string) (pluginapi.Pin, error) {
	return pluginapi.Pin{ID: name, Position: "0/1", Lost: true}, nil
}

func (f fakeDriver) Health(_ context.Context, _ pluginapi.Target, r pluginapi.HealthRequest) (pluginapi.Health, error) {
	return pluginapi.Health{Healthy: r.Role == pluginapi.AsReplica, Position: r.Member + r.ClusterID, LagBytes: r.MaxLag, Fault: pluginapi.FaultLagging}, nil
}
