package restore

import "time"

// Op is one operation of a node in its part. Each may be performed again after it
// was interrupted at any moment, and then reaches the same end.
type Op string

// What the operations are. Names in brackets are methods of the driver.
const (
	OpNone  Op = ""      // the goal is reached, or it is another's turn: wait for the run to change
	OpProbe Op = "probe" // [Probe] and what the agent sees: space, owner, mountpoint

	// Of a source.
	OpPin           Op = "pin"            // [Pin] under PinName
	OpCapture       Op = "capture"        // empty the capture directory, [Capture] into it, write backup.json
	OpVerifyCapture Op = "verify_capture" // [Verify]
	OpPublish       Op = "publish"
	OpWatchPin      Op = "watch_pin"    // [PinStatus]; polled
	OpUnpin         Op = "unpin"        // [Unpin]; never given up
	OpDropCapture   Op = "drop_capture" // withdraw what was published, remove the directory; never given up

	// Of a member, on the way forward.
	OpAwaitRelease Op = "await_release" // until no distribution claims the staging, and it is whole; polled
	OpVerify       Op = "verify"        // [Verify] of StagedData
	OpConfigure    Op = "configure"     // [Configure] of StagedData, as MemberName
	OpCheckRole    Op = "check_role"    // probe again, right before and right after OpStop
	OpStop         Op = "stop"          // [Stop]
	OpExchange     Op = "exchange"      // the data directory and StagedData
	OpStart        Op = "start"         // [Start]
	OpAwaitHealth  Op = "await_health"  // [Health] once; polled
	OpRemoveOld    Op = "remove_old"    // StagingPath with the old data; never given up
	OpDropFormer   Op = "drop_former"   // [Cleanup] of Journal.Former, which followed before; never given up

	// Of a member, on the way back and at the end.
	OpLook          Op = "look"           // which of both directories stands, after an exchange was interrupted: Side
	OpStopNew       Op = "stop_new"       // [Stop]
	OpExchangeBack  Op = "exchange_back"  // as OpExchange
	OpStartOld      Op = "start_old"      // [Start], and wait until it runs
	OpCleanup       Op = "cleanup"        // [Cleanup] of MemberName; never given up
	OpRemoveStaging Op = "remove_staging" // StagingPath, once no distribution claims it; polled, never given up

	// OpGiveUp performs nothing: the part ends as it stands.
	OpGiveUp Op = "give_up"
)

// Polled reports whether op only looks: after a result that changes nothing it is
// asked for again, and the caller waits a while between.
func (o Op) Polled() bool {
	return o == OpAwaitRelease || o == OpAwaitHealth || o == OpWatchPin || o == OpRemoveStaging
}

// Destructive reports whether op stops, replaces or removes a member's old
// database.
func (o Op) Destructive() bool {
	return o == OpStop || o == OpExchange || o == OpRemoveOld
}

// tireless reports whether op is tried until it succeeds, as nobody else would
// do it.
func (o Op) tireless() bool {
	switch o {
	case OpUnpin, OpDropCapture, OpRemoveOld, OpDropFormer, OpCleanup, OpRemoveStaging:
		return true
	}
	return false
}

// patience is how long op is tried again for an error that another try may heal.
// While the database is down there is less time.
func (o Op) patience() time.Duration {
	switch o {
	case OpCheckRole, OpStop, OpExchange, OpStart:
		return 2 * time.Minute
	}
	return 10 * time.Minute
}
