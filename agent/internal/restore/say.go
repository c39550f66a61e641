package restore

import (
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/pluginapi"
	decide "github.com/rackswarm/rackswarm/core/restore"
)

// say reports the part as it is, with what is under way.
func (p *part) say(op decide.Op, progress *pluginapi.Progress) {
	p.mu.Lock()
	j := p.note.journal
	data := p.note.Data
	p.mu.Unlock()
	report := j.Report()
	report.Doing = words[op]
	if progress != nil {
		report.Progress = &api.Progress{Stage: string(op), Done: progress.Done, Total: progress.Total}
		if progress.Doing != "" {
			report.Doing = clean(progress.Doing)
		}
	}
	if t := j.Target; t != nil && t.Swap != nil && t.Swap.Data != 0 {
		report.OldData = decide.StagedData(data, p.id)
	}
	p.reports.say(report)
}

// words say for people what an operation is; nothing while a part only waits for the
// run.
var words = map[decide.Op]string{
	decide.OpProbe: "looking at the database", decide.OpCheckRole: "looking at the database", decide.OpLook: "looking at the database",
	decide.OpPin: "holding the log", decide.OpCapture: "capturing", decide.OpVerifyCapture: "verifying the capture",
	decide.OpPublish: "publishing the capture", decide.OpUnpin: "letting go of the log", decide.OpDropCapture: "removing the capture",
	decide.OpAwaitRelease: "waiting for the copy beside the data", decide.OpVerify: "verifying", decide.OpConfigure: "configuring",
	decide.OpStop: "stopping the database", decide.OpExchange: "exchanging the data directories", decide.OpStart: "starting the database",
	decide.OpAwaitHealth: "waiting until the database is healthy", decide.OpRemoveOld: "removing the old data",
	decide.OpDropFormer: "cleaning up on the primary", decide.OpStopNew: "stopping the new database",
	decide.OpExchangeBack: "exchanging the data directories back", decide.OpStartOld: "starting the old database",
	decide.OpCleanup: "cleaning up on the primary", decide.OpRemoveStaging: "removing the copy beside the data",
}
