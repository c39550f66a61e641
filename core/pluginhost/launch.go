package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rackswarm/rackswarm/core/pluginapi"
)

// stopTime is what a process has to end when it is asked to.
const stopTime = 3 * time.Second

// process is a driver's process that was started.
type process interface {
	// database is what a driver's process serves, sensor what a sensor's does; the
	// other one is nil.
	database() pluginapi.DatabaseDriver
	sensor() pluginapi.BandwidthSensor
	// ended is closed when the process and its group are gone. how tells why, then.
	ended() <-chan struct{}
	how() string
	// kill ends it at once, stop lets it end first. Both return when it is gone,
	// and may be called several times.
	kill(why string)
	stop()
}

// launcher starts driver processes.
type launcher struct {
	catalog      string
	dir          string // private, for sockets
	startTimeout time.Duration
	grace        time.Duration
	log          *slog.Logger
}

// launch starts the program of that name, once. Errors are *Error.
func (l *launcher) launch(ctx context.Context, k Kind, name string) (process, error) {
	catalog, err := ReadCatalog(l.catalog)
	if err != nil {
		return nil, named(k, name, err)
	}
	program, ok := catalog.program(k, name)
	if !ok {
		return nil, notInCatalog(catalog, k, name)
	}
	file, err := openProgram(catalog.File, program)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	p := &pluginProcess{}
	if err := l.start(ctx, p, program, file); err != nil {
		return nil, l.failed(p, program, err)
	}
	return p, nil
}

func notInCatalog(c Catalog, k Kind, name string) error {
	has := fmt.Sprintf("it has no %s", k)
	if len(c.programs) == 0 {
		has = "it is empty"
	}
	if names := c.names(k); len(names) > 0 {
		has = "it has " + strings.Join(names, ", ")
	}
	return &Error{
		Kind: k, Driver: name, Reason: ReasonCatalog, Message: fmt.Sprintf("not in the catalogue %s: %s", c.File, has),
		Fix: fmt.Sprintf("sha256sum /usr/local/lib/rackswarm/%s%s >>%s", k.prefix(), name, c.File),
	}
}

// named puts the driver's name into an error of the catalogue.
func named(k Kind, name string, err error) error {
	if own := (*Error)(nil); errors.As(err, &own) && own.Driver == "" {
		with := *own
		with.Kind, with.Driver = k, name
		return &with
	}
	return err
}

// start fills p in as far as it comes.
func (l *launcher) start(ctx context.Context, p *pluginProcess, program Program, file *os.File) error {
	log := l.log.With(string(program.Kind), program.Name)
	unwatch := func() bool { return true }
	p.client = plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig: pluginapi.Handshake,
		VersionedPlugins: map[int]plugin.PluginSet{
			pluginapi.ProtocolVersion: {
				pluginapi.DatabaseName: &pluginapi.DatabasePlugin{Grace: l.grace},
				pluginapi.SensorName:   &pluginapi.SensorPlugin{Grace: l.grace},
			},
		},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		AutoMTLS:         true,
		SkipHostEnv:      true,
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: l.dir},
		StartTimeout:     l.startTimeout,
		Logger:           hclog.NewNullLogger(), // it repeats what is logged here
		GRPCDialOptions: []grpc.DialOption{grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(pluginapi.MaxMessage), grpc.MaxCallSendMsgSize(pluginapi.MaxMessage))},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, tmpDir string) (runner.Runner, error) {
			var err error
			p.child, err = newChild(program.Path, file, append(minimalEnv(), cmd.Env...), tmpDir, log)
			if err != nil {
				_ = os.RemoveAll(tmpDir)
				return nil, err
			}
			unwatch = context.AfterFunc(ctx, func() { p.child.kill("the agent ends") })
			return p.child, nil
		},
	})
	defer func() { unwatch() }()
	limited, cancel := context.WithTimeout(ctx, l.startTimeout)
	defer cancel()
	return p.connect(limited, program)
}

// minimalEnv is the environment of a driver beside what go-plugin adds: nothing
// of the agent's but where temporary files go.
func minimalEnv() []string {
	return []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"LANG=C.UTF-8",
		"TMPDIR=" + os.TempDir(),
		pluginapi.ProgramVariable + "=3",
	}
}

// failed makes an *Error of a start that failed, and ends what was started.
func (l *launcher) failed(p *pluginProcess, program Program, err error) error {
	if p.child == nil || p.child.cmd.Process == nil {
		return &Error{Kind: program.Kind, Driver: program.Name, Reason: ReasonStart, Message: fmt.Sprintf("start %s: %v", program.Path, err)}
	}
	p.kill("it could not be used")
	return diagnose(program, p.child.said(), p.child.how(), err)
}

// diagnose tells from the first line that a program wrote why it is no driver
// for this agent.
func diagnose(program Program, handshake, how string, err error) error {
	incompatible := func(message, fix string) error {
		return &Error{Kind: program.Kind, Driver: program.Name, Reason: ReasonIncompatible, Message: message, Fix: fix}
	}
	if own := (*Error)(nil); errors.As(err, &own) {
		return own
	}
	fields := strings.Split(handshake, "|")
	switch {
	case handshake == "":
		return &Error{Kind: program.Kind, Driver: program.Name, Reason: ReasonCrashed, Message: fmt.Sprintf("%s was not ready: %s", program.Path, how)}
	case len(fields) < 5:
		return incompatible(fmt.Sprintf("%s does not speak as a driver does; its first line is %.80q", program.Path, handshake),
			fmt.Sprintf("is it a %s? Then its main function has to call %s, and nothing may write to standard output before", program.Kind, program.Kind.main()))
	case fields[1] != fmt.Sprint(pluginapi.ProtocolVersion):
		return incompatible(fmt.Sprintf("%s speaks version %.20q of the drivers' protocol, this agent version %d", program.Path, fields[1], pluginapi.ProtocolVersion),
			"install the driver's release that goes with this agent's")
	case len(fields) < 6 || len(fields[5]) <= 50:
		return incompatible(program.Path+" offers no TLS", "build it with core/pluginapi of this release")
	case status.Code(err) == codes.Unimplemented:
		return incompatible(fmt.Sprintf("%s is no %s", program.Path, program.Kind), "its main function has to call "+program.Kind.main())
	}
	return &Error{Kind: program.Kind, Driver: program.Name, Reason: ReasonCrashed, Message: fmt.Sprintf("%s was not ready: %v; %s", program.Path, err, how)}
}

// pluginProcess is a process behind go-plugin.
type pluginProcess struct {
	client *plugin.Client
	child  *child
	driver pluginapi.DatabaseDriver  // or
	senses pluginapi.BandwidthSensor // this
}

var _ process = (*pluginProcess)(nil)

// connect starts the process and asks it what it is.
func (p *pluginProcess) connect(ctx context.Context, program Program) error {
	rpc, err := p.client.Client()
	if err != nil {
		return err
	}
	if fields := strings.Split(p.child.said(), "|"); len(fields) < 6 || len(fields[5]) <= 50 {
		return errors.New("no TLS") // diagnose sees the same
	}
	name, err := p.dispense(ctx, rpc, program.Kind)
	if err != nil {
		return err
	}
	if name != program.Name {
		return &Error{
			Kind: program.Kind, Driver: program.Name, Reason: ReasonIncompatible,
			Message: fmt.Sprintf("%s calls itself %s %q", program.Path, program.Kind, name),
			Fix:     "name the program " + filepath.Join(filepath.Dir(program.Path), program.Kind.prefix()+name) + ", in the catalogue too",
		}
	}
	return nil
}

// dispense asks the process for what a program of the kind serves, and returns
// what that calls itself.
func (p *pluginProcess) dispense(ctx context.Context, rpc plugin.ClientProtocol, k Kind) (string, error) {
	if k == KindSensor {
		raw, err := rpc.Dispense(pluginapi.SensorName)
		if err != nil {
			return "", err
		}
		p.senses = raw.(pluginapi.BandwidthSensor)
		d, err := p.senses.Describe(ctx)
		return d.Name, err
	}
	raw, err := rpc.Dispense(pluginapi.DatabaseName)
	if err != nil {
		return "", err
	}
	p.driver = raw.(pluginapi.DatabaseDriver)
	d, err := p.driver.Describe(ctx)
	return d.Name, err
}

func (p *pluginProcess) database() pluginapi.DatabaseDriver { return p.driver }
func (p *pluginProcess) sensor() pluginapi.BandwidthSensor  { return p.senses }
func (p *pluginProcess) ended() <-chan struct{}             { return p.child.ended }
func (p *pluginProcess) how() string                        { return p.child.how() }

func (p *pluginProcess) kill(why string) {
	p.child.kill(why)
	<-p.child.ended
	p.client.Kill() // ends go-plugin's goroutines
}

func (p *pluginProcess) stop() {
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		p.client.Kill()
	}()
	select {
	case <-asked:
	case <-time.After(stopTime):
	}
	p.kill("it did not end when asked to")
	<-asked
}
