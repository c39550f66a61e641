package pluginapi

import (
	"slices"

	databasev1 "github.com/rackswarm/rackswarm/core/pluginapi/proto/database/v1"
)

// The functions from… make messages of this package's types, those named to…
// the reverse. What a driver says is made valid UTF-8; what the agent says comes
// from a configuration, which is.

func fromTarget(t Target) *databasev1.Target {
	commands := map[string]*databasev1.Command{}
	for what, words := range t.Commands {
		commands[what] = &databasev1.Command{Words: words}
	}
	return &databasev1.Target{Name: t.Name, DataDir: t.DataDir, Settings: t.Settings, Commands: commands}
}

func toTarget(m *databasev1.Target) Target {
	commands := map[string][]string{}
	for what, c := range m.GetCommands() {
		commands[what] = c.GetWords()
	}
	settings := m.GetSettings()
	if settings == nil {
		settings = map[string]string{}
	}
	return Target{Name: m.GetName(), DataDir: m.GetDataDir(), Settings: settings, Commands: commands}
}

func fromDescription(d Description) *databasev1.DescribeResponse {
	return &databasev1.DescribeResponse{
		Name: text(d.Name), Engine: text(d.Engine), Version: text(d.Version), Versions: texts(d.Versions),
		Settings: fromSettings(d.Settings), Pins: d.Pins, Replicas: d.Replicas,
	}
}

func toDescription(m *databasev1.DescribeResponse) Description {
	return Description{
		Name: m.GetName(), Engine: m.GetEngine(), Version: m.GetVersion(), Versions: m.GetVersions(),
		Settings: toSettings(m.GetSettings()), Pins: m.GetPins(), Replicas: m.GetReplicas(),
	}
}

func fromSettings(all []Setting) []*databasev1.Setting {
	settings := make([]*databasev1.Setting, len(all))
	for i, s := range all {
		settings[i] = &databasev1.Setting{Name: text(s.Name), Help: text(s.Help), Required: s.Required}
	}
	return settings
}

func toSettings(all []*databasev1.Setting) []Setting {
	var settings []Setting
	for _, s := range all {
		settings = append(settings, Setting{Name: s.GetName(), Help: s.GetHelp(), Required: s.GetRequired()})
	}
	return settings
}

func fromProbe(p Probe) *databasev1.ProbeResponse {
	return &databasev1.ProbeResponse{
		Kind: text(string(p.Kind)), WasReplica: p.WasReplica, Version: text(p.Version), ProgramVersion: text(p.ProgramVersion),
		Architecture: text(p.Architecture), ClusterId: text(p.ClusterID), Timeline: text(p.Timeline), Pid: int64(p.PID),
		Position: text(p.Position), Bytes: p.Bytes, Outside: texts(p.Outside), Health: fromHealth(p.Health),
	}
}

func toProbe(m *databasev1.ProbeResponse) Probe {
	return Probe{
		Kind: Kind(m.GetKind()), WasReplica: m.GetWasReplica(), Version: m.GetVersion(), ProgramVersion: m.GetProgramVersion(),
		Architecture: m.GetArchitecture(), ClusterID: m.GetClusterId(), Timeline: m.GetTimeline(), PID: int(m.GetPid()),
		Position: m.GetPosition(), Bytes: m.GetBytes(), Outside: m.GetOutside(), Health: toHealth(m.GetHealth()),
	}
}

func fromPin(p Pin) *databasev1.Pin {
	return &databasev1.Pin{Id: text(p.ID), Position: text(p.Position), Lost: p.Lost}
}

func toPin(m *databasev1.Pin) Pin {
	return Pin{ID: m.GetId(), Position: m.GetPosition(), Lost: m.GetLost()}
}

func fromCaptureRequest(t Target, r CaptureRequest) *databasev1.CaptureRequest {
	return &databasev1.CaptureRequest{Target: fromTarget(t), Dir: r.Dir, Run: r.Run, Pin: r.Pin, MaxRate: r.MaxRate}
}

func toCaptureRequest(m *databasev1.CaptureRequest) CaptureRequest {
	return CaptureRequest{Dir: m.GetDir(), Run: m.GetRun(), Pin: m.GetPin(), MaxRate: m.GetMaxRate()}
}

func fromCapture(c Capture) *databasev1.Capture {
	return &databasev1.Capture{
		Version: text(c.Version), Architecture: text(c.Architecture), ClusterId: text(c.ClusterID), Timeline: text(c.Timeline),
		Start: text(c.Start), End: text(c.End), Bytes: c.Bytes,
	}
}

func toCapture(m *databasev1.Capture) Capture {
	return Capture{
		Version: m.GetVersion(), Architecture: m.GetArchitecture(), ClusterID: m.GetClusterId(), Timeline: m.GetTimeline(),
		Start: m.GetStart(), End: m.GetEnd(), Bytes: m.GetBytes(),
	}
}

func fromConfigureRequest(t Target, r ConfigureRequest) *databasev1.ConfigureRequest {
	return &databasev1.ConfigureRequest{Target: fromTarget(t), Dir: r.Dir, Role: string(r.Role), Member: r.Member, Pin: r.Pin}
}

func toConfigureRequest(m *databasev1.ConfigureRequest) ConfigureRequest {
	return ConfigureRequest{Dir: m.GetDir(), Role: Role(m.GetRole()), Member: m.GetMember(), Pin: m.GetPin()}
}

func fromHealthRequest(t Target, r HealthRequest) *databasev1.HealthRequest {
	return &databasev1.HealthRequest{
		Target: fromTarget(t), Role: string(r.Role), Member: r.Member, ClusterId: r.ClusterID, MaxLag: r.MaxLag,
	}
}

func toHealthRequest(m *databasev1.HealthRequest) HealthRequest {
	return HealthRequest{Role: Role(m.GetRole()), Member: m.GetMember(), ClusterID: m.GetClusterId(), MaxLag: m.GetMaxLag()}
}

func fromHealth(h *Health) *databasev1.Health {
	if h == nil {
		return nil
	}
	return &databasev1.Health{
		Healthy: h.Healthy, Replicating: h.Replicating, Writable: h.Writable, Position: text(h.Position),
		LagBytes: h.LagBytes, Fault: text(string(h.Fault)), Message: text(h.Message),
	}
}

func toHealth(m *databasev1.Health) *Health {
	if m == nil {
		return nil
	}
	return &Health{
		Healthy: m.GetHealthy(), Replicating: m.GetReplicating(), Writable: m.GetWritable(), Position: m.GetPosition(),
		LagBytes: m.GetLagBytes(), Fault: Fault(m.GetFault()), Message: m.GetMessage(),
	}
}

func texts(all []string) []string {
	all = slices.Clone(all)
	for i, s := range all {
		all[i] = text(s)
	}
	return all
}

func fromError(e *Error) *databasev1.Error {
	return &databasev1.Error{Code: text(e.Code), Subject: text(e.Subject), Message: text(e.Message), Fix: text(e.Fix)}
}

func toError(e *databasev1.Error) *Error {
	return &Error{Code: e.GetCode(), Subject: e.GetSubject(), Message: e.GetMessage(), Fix: e.GetFix()}
}
